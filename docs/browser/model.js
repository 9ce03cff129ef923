// The reconstruction model as `physiogen export` writes it.

import { StripError } from "./strip.js";

/** Texts that an ONNX file holds about itself, behind its graph, as pairs of key and value. */
export function factsOf(bytes) {
  const text = new TextDecoder("latin1").decode(bytes);
  const facts = {};
  for (const key of ["leads", "fs_hz"]) {
    const at = text.lastIndexOf(`\n${String.fromCharCode(key.length)}${key}\x12`);
    if (at < 0) continue;
    const start = at + key.length + 3; // of the value's length, a varint of one or two bytes
    let length = text.charCodeAt(start);
    let skip = 1;
    if (length >= 128) {
      length = (length & 127) + 128 * text.charCodeAt(start + 1);
      skip = 2;
    }
    facts[key] = text.substr(start + skip, length);
  }
  return facts;
}

/** A session with what the file says: {run, leads, rateHz, samples}. */
export async function openModel(bytes, file) {
  const facts = factsOf(bytes);
  if (!facts.leads || !facts.fs_hz) {
    throw new StripError(`${file}: not a model for a recorder; accepted: what physiogen export --leads II,V1,V5 --out FILE.onnx wrote`);
  }
  ort.env.wasm.numThreads = 1; // more need headers that few servers send
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const [name] = session.inputNames;
  const shape = session.inputMetadata[0].shape;
  const leads = facts.leads.split(",");
  const samples = Number(shape[2]);
  const run = async (data) => {
    const found = await session.run({ [name]: new ort.Tensor("float32", data, [1, leads.length, samples]) });
    return { ecg: found.ecg_mv.data, half: found.half_width_90_mv.data };
  };
  return { run, leads, rateHz: Number(facts.fs_hz), samples };
}
