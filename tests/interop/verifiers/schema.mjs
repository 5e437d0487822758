// The official Open Badges 3.0 JSON schema, from the folder given by --schemas, by ajv. Shape only.
import {run, schemas} from './offline.mjs';
import fs from 'node:fs';
import path from 'node:path';
import {Ajv2019} from 'ajv/dist/2019.js';
import addFormats from 'ajv-formats';
import {decodeJwt} from 'jose';

const CLAIMS = ['iss', 'sub', 'jti', 'nbf', 'exp'];
const file = schemas && path.join(schemas, 'ob_v3p0_achievementcredential_schema.json');
let check;
if(file && fs.existsSync(file)) {
  const ajv = new Ajv2019({allErrors: true, strict: false});
  addFormats.default(ajv);
  check = ajv.compile(JSON.parse(fs.readFileSync(file, 'utf8')));
}

async function judge(credential) {
  if(!check) return {verdict: 'unknown', why: ['the schema is not at hand']};
  let document = credential;
  if(typeof credential === 'string') {
    document = decodeJwt(credential);
    for(const claim of CLAIMS) delete document[claim];
  }
  if(check(document)) return {verdict: 'valid', why: []};
  const why = check.errors.map(error => `${error.instancePath} ${error.message}`);
  return {verdict: 'invalid', why: [...new Set(why)].slice(0, 6)};
}
await run('schema', judge);
