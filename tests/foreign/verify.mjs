// Says of what comes on standard input whether npm's @sigstore packages take the envelope and the checkpoint in it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { crypto, dsse } from "@sigstore/core";

const { verifyCheckpoint } = createRequire(import.meta.url)("@sigstore/verify/dist/tlog/checkpoint.js");
const { publicKey, origin, envelope, note } = JSON.parse(readFileSync(0, "utf8"));
const key = crypto.createPublicKey(publicKey);

const signed = dsse.preAuthEncoding(envelope.payloadType, Buffer.from(envelope.payload, "base64"));
const isSigned = crypto.verify(signed, key, Buffer.from(envelope.signatures[0].sig, "base64"), "sha256");
const logID = crypto.digest("sha256", key.export({ format: "der", type: "spki" }));
let size = null;
try {
  const proof = { checkpoint: { envelope: note } };
  size = Number(verifyCheckpoint({ inclusionProof: proof }, [{ logID, baseURL: origin, publicKey: key }]).logSize);
} catch (error) {
  if (error.code !== "TLOG_INCLUSION_PROOF_ERROR") throw error;
}
process.stdout.write(JSON.stringify({ isSigned, size }));
