// A strip of few leads: read from a table, brought to the rate of the model.

export class StripError extends Error {}

const NAMES = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
const TIMES = { time: 1, t: 1, s: 1, time_s: 1, seconds: 1, time_ms: 1e-3, ms: 1e-3 };

/** Columns of a table: {leads: {name: Float64Array}, rateHz or null}. Lines that begin with # are left out. */
export function readTable(text, file) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() && !line.startsWith("#"));
  if (lines.length < 3) throw new StripError(`${file}: no table of samples; accepted: a line of names, then a line a sample`);
  const separator = ["\t", ";", ","].find((mark) => lines[0].includes(mark)) ?? ",";
  const names = lines[0].split(separator).map((name) => name.trim().replace(/^"|"$/g, ""));
  const columns = names.map(() => new Float64Array(lines.length - 1));
  lines.slice(1).forEach((line, row) => {
    const cells = line.split(separator);
    names.forEach((name, k) => {
      const value = cells[k]?.trim() ? Number(cells[k]) : NaN;
      if (cells[k]?.trim() && Number.isNaN(value)) {
        throw new StripError(`${file}: line ${row + 2}, column ${name}: ${cells[k].trim()} is no number`);
      }
      columns[k][row] = value;
    });
  });
  const leads = {};
  let rateHz = null;
  names.forEach((name, k) => {
    const lead = NAMES.find((known) => known.toLowerCase() === name.toLowerCase());
    if (lead) leads[lead] = columns[k];
    const unit = TIMES[name.toLowerCase()];
    if (unit) rateHz = (columns[k].length - 1) / ((columns[k].at(-1) - columns[k][0]) * unit);
  });
  return { leads, rateHz };
}

/** A windowed sinc of eight lobes; frequencies that the new rate cannot hold are taken out. */
export function resample(signal, fromHz, toHz) {
  if (Math.abs(fromHz - toHz) < 1e-6 * toHz) return Float32Array.from(signal);
  const lobes = 8;
  const cut = Math.min(1, toHz / fromHz);
  const out = new Float32Array(Math.round((signal.length * toHz) / fromHz));
  for (let n = 0; n < out.length; n++) {
    const at = (n * fromHz) / toHz;
    const reach = lobes / cut;
    let sum = 0;
    let weights = 0;
    for (let k = Math.ceil(at - reach); k <= at + reach; k++) {
      const x = (at - k) * cut;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      const weight = sinc * Math.cos((Math.PI * x) / (2 * lobes)) ** 2;
      sum += weight * signal[Math.min(Math.max(k, 0), signal.length - 1)];
      weights += weight;
    }
    out[n] = sum / weights;
  }
  return out;
}

/** (leads x samples) Float32Array for the model, in mV; says what is missing. */
export function input(table, { leads, rateHz, samples, unit, givenHz, file }) {
  const missing = leads.filter((lead) => !(lead in table.leads));
  if (missing.length) {
    const found = Object.keys(table.leads).join(", ") || "none";
    throw new StripError(`${file}: lead ${missing.join(", ")} is missing (found: ${found}); accepted: columns ${leads.join(", ")}, as the model takes`);
  }
  const fromHz = givenHz ?? table.rateHz;
  if (!(fromHz > 0)) throw new StripError(`${file}: no column of times; accepted: one, or the rate in Hz`);
  const data = new Float32Array(leads.length * samples);
  leads.forEach((lead, row) => {
    const column = table.leads[lead];
    if (column.some(Number.isNaN)) throw new StripError(`${file}: column ${lead} has empty cells; accepted: a number in every line`);
    const there = resample(column.map((value) => value * unit), fromHz, rateHz);
    if (there.length < samples) {
      const seconds = (n) => (n / rateHz).toFixed(1);
      throw new StripError(`${file}: ${seconds(there.length)} s; accepted: at least the ${seconds(samples)} s that the model takes`);
    }
    data.set(there.subarray(0, samples), row * samples);
  });
  return data;
}
