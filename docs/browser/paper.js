// Twelve leads on paper of 25 mm/s and 10 mm/mV: recorded black, rebuilt blue with its 90 % band.

export const LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
const MM_PER_S = 25;
const MM_PER_MV = 10;
const LEAST_ROW_MM = 15; // rows are as high as their lead

export function paper({ ecg, half }, { rateHz, samples, recorded }) {
  const width = (samples / rateHz) * MM_PER_S;
  const rows = LEADS.map((lead, row) => rowOf(ecg, half, row, samples, recorded.includes(lead)));
  const height = rows.reduce((sum, each) => sum + each.height, 0);
  const x = (n) => ((n / rateHz) * MM_PER_S).toFixed(2);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Twelve-lead ECG, partly rebuilt" viewBox="0 0 ${width} ${height.toFixed(1)}" style="width:100%;background:#fff">`,
    '<defs><pattern id="mm" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M5 0H0V5" fill="none" stroke="#f3b6b6" stroke-width=".2"/></pattern></defs>',
    `<rect width="${width}" height="${height.toFixed(1)}" fill="url(#mm)"/>`,
  ];
  let top = 0;
  LEADS.forEach((lead, row) => {
    const { own, band, mean, above, height: room } = rows[row];
    const middle = top + above;
    top += room;
    const y = (mv) => (middle - MM_PER_MV * mv).toFixed(2);
    const seen = recorded.includes(lead);
    const step = Math.max(1, Math.round(rateHz / 250));
    const up = [];
    const down = [];
    const line = [];
    for (let n = 0; n < samples; n += step) {
      line.push(`${x(n)},${y(own[n] - mean)}`);
      up.push(`${x(n)},${y(own[n] - mean + band[n])}`);
      down.push(`${x(n)},${y(own[n] - mean - band[n])}`);
    }
    if (!seen) parts.push(`<polygon points="${up.concat(down.reverse()).join(" ")}" fill="#3b6fd4" opacity=".18"/>`);
    parts.push(`<polyline points="${line.join(" ")}" fill="none" stroke="${seen ? "#111" : "#1f4fb4"}" stroke-width=".3"/>`);
    parts.push(`<text x="1" y="${(middle - above + 4).toFixed(1)}" font-size="4" fill="#111" stroke="#fff" stroke-width=".8" paint-order="stroke">${lead}${seen ? "" : " (rebuilt)"}</text>`);
  });
  parts.push("</svg>");
  return parts.join("");
}

/** A lead and the room it needs, in mm above and below its mean. */
function rowOf(ecg, half, row, samples, seen) {
  const own = ecg.subarray(row * samples, (row + 1) * samples);
  const band = half.subarray(row * samples, (row + 1) * samples);
  const mean = own.reduce((sum, value) => sum + value, 0) / samples;
  let high = 0;
  let low = 0;
  for (let n = 0; n < samples; n++) {
    const reach = seen ? 0 : band[n];
    high = Math.max(high, own[n] - mean + reach);
    low = Math.min(low, own[n] - mean - reach);
  }
  const above = Math.max(LEAST_ROW_MM / 2, MM_PER_MV * high) + 5; // room for the name
  const below = Math.max(LEAST_ROW_MM / 4, -MM_PER_MV * low) + 1;
  return { own, band, mean, above, height: above + below };
}

/** The same as a table, marked as what it is. */
export function table({ ecg }, { rateHz, samples, recorded }) {
  const rebuilt = LEADS.filter((lead) => !recorded.includes(lead)).join(" ");
  const lines = [`# synthetic: ${rebuilt} were rebuilt by software; mV; not a diagnostic device`, ["time", ...LEADS].join(",")];
  for (let n = 0; n < samples; n++) {
    lines.push([(n / rateHz).toFixed(4), ...LEADS.map((_, row) => ecg[row * samples + n].toFixed(4))].join(","));
  }
  return lines.join("\n") + "\n";
}
