// The page: files in, paper and a table out; nothing is sent anywhere.

import { openModel } from "./model.js";
import { paper, table } from "./paper.js";
import { StripError, input, readTable } from "./strip.js";

const part = (id) => document.getElementById(`rebuild-${id}`);
let model = null;
let link = null;

function say(text, wrong = false) {
  part("message").textContent = text;
  part("message").classList.toggle("wrong", wrong);
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StripError)) console.error(error);
    part("paper").innerHTML = "";
    part("save").hidden = true;
    say(error.message, true);
  }
}

async function rebuild(text, file) {
  if (!model) throw new StripError("choose the model first; accepted: what physiogen export --leads II,V1,V5 --out FILE.onnx wrote");
  const settings = {
    ...model,
    unit: Number(part("unit").value),
    givenHz: part("rate").value ? Number(part("rate").value) : null,
    file,
  };
  const data = input(readTable(text, file), settings);
  say("rebuilding ...");
  const began = performance.now();
  const found = await model.run(data);
  const sheet = { ...model, recorded: withLimbLeads(model.leads) };
  part("paper").innerHTML = paper(found, sheet);
  if (link) URL.revokeObjectURL(link);
  link = URL.createObjectURL(new Blob([table(found, sheet)], { type: "text/csv" }));
  part("save").href = link;
  part("save").hidden = false;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  say(`${file}: the first ${model.samples / model.rateHz} s, twelve leads in ${seconds} s. Rebuilt leads are synthetic; not a diagnostic device.`);
}

/** From two limb leads the other four follow. */
function withLimbLeads(leads) {
  return leads.includes("I") && leads.includes("II") ? [...leads, "III", "aVR", "aVL", "aVF"] : leads;
}

part("model").addEventListener("change", () =>
  guarded(async () => {
    const [file] = part("model").files;
    model = null;
    say(`${file.name}: loading ...`);
    model = await openModel(new Uint8Array(await file.arrayBuffer()), file.name);
    say(`${file.name}: takes ${model.leads.join(", ")} at ${model.rateHz} Hz, ${model.samples / model.rateHz} s. Now a strip.`);
  }),
);
part("strip").addEventListener("change", () =>
  guarded(async () => {
    const [file] = part("strip").files;
    await rebuild(await file.text(), file.name);
  }),
);
part("example").addEventListener("click", () =>
  guarded(async () => {
    const answer = await fetch(new URL("strip.csv", import.meta.url));
    await rebuild(await answer.text(), "strip.csv");
  }),
);
say("Choose a model, then a strip.");
