// The official JSON schemas of Open Badges 3.0 and CLR 2.0, from the folder given by --schemas, by
// ajv. Shape only.
import {run, schemas} from './offline.mjs';
import fs from 'node:fs';
import path from 'node:path';
import {Ajv2019} from 'ajv/dist/2019.js';
import addFormats from 'ajv-formats';
import {decodeJwt} from 'jose';

const CLAIMS = ['iss', 'sub', 'jti', 'nbf', 'exp'];
const FILES = {
  badge: 'ob_v3p0_achievementcredential_schema.json',
  record: 'clr_v2p0_clrcredential_schema.json',
};

const checks = new Map();

function compiled(name) {
  if(!checks.has(name)) checks.set(name, compile(name));
  return checks.get(name);
}

function compile(name) {
  const file = schemas && path.join(schemas, FILES[name]);
  if(!file || !fs.existsSync(file)) return null;
  const ajv = new Ajv2019({allErrors: true, strict: false});
  addFormats.default(ajv);
  return ajv.compile(JSON.parse(fs.readFileSync(file, 'utf8')));
}

async function judge(credential) {
  let document = credential;
  if(typeof credential === 'string') {
    document = decodeJwt(credential);
    for(const claim of CLAIMS) delete document[claim];
  }
  const check = compiled([document.type].flat().includes('ClrCredential') ? 'record' : 'badge');
  if(!check) return {verdict: 'unknown', why: ['the schema is not at hand']};
  if(check(document)) return {verdict: 'valid', why: []};
  const why = check.errors.map(error => `${error.instancePath} ${error.message}`);
  return {verdict: 'invalid', why: [...new Set(why)].slice(0, 6)};
}
await run('schema', judge);
