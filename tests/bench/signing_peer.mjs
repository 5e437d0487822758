// The peer of bench_signing.py: issues one credential again and again with @digitalbazaar/vc.
// Reads lines from stdin: first the document as JSON, then numbers. For each number it signs that
// often and answers with a line of JSON: the CPU seconds that took, and the last credential.
import '../interop/verifiers/offline.mjs';
import {documentLoader} from '../interop/verifiers/data-integrity.mjs';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import readline from 'node:readline';

const lines = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();
const document = JSON.parse((await lines.next()).value);
const controller = document.issuer.id;
const key = await Ed25519Multikey.generate({controller});
key.id = `${controller}#${key.publicKeyMultibase}`;
const suite = new DataIntegrityProof({signer: key.signer(), cryptosuite});

for await (const line of lines) {
  let signed;
  const before = process.cpuUsage();
  for(let count = Number(line); count > 0; count--) {
    signed = JSON.stringify(await vc.issue({credential: {...document}, suite, documentLoader}));
  }
  const {user, system} = process.cpuUsage(before);
  console.log(JSON.stringify({seconds: (user + system) / 1e6, signed}));
}
