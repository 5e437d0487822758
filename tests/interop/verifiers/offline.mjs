// Lets verifiers that others wrote run without a network, and prints their verdicts.
//
//   node NAME.mjs [--www ORIGIN=FOLDER]... [--schemas FOLDER] FILE...
//
// globalThis.fetch is replaced: an address below ORIGIN is answered by the file that stands at its
// path in FOLDER (a folder answers with its index.json); everything else is refused and reported
// as a miss. One JSON line a file; exit code 0 all valid, 1 one is not valid, 2 one cannot be judged.
// Import this module first, so that no library keeps the real fetch.
import fs from 'node:fs';
import path from 'node:path';
import {parseArgs} from 'node:util';

const {values, positionals: files} = parseArgs({
  allowPositionals: true,
  options: {www: {type: 'string', multiple: true, default: []}, schemas: {type: 'string'}},
});

export const schemas = values.schemas;
const places = values.www.map(place => {
  const cut = place.indexOf('=');
  return {origin: new URL(place.slice(0, cut)).origin, folder: path.resolve(place.slice(cut + 1))};
});
if(schemas) {
  // The flavour of the 1EdTech schema that is at hand serves both of its addresses.
  for(const flavour of ['json', 'json-ld']) {
    places.push({
      origin: 'https://purl.imsglobal.org',
      below: `/spec/ob/v3p0/schema/${flavour}/`,
      folder: path.resolve(schemas),
    });
  }
}
const misses = new Set();

function find(url) {
  for(const {origin, below = '/', folder} of places) {
    if(url.origin !== origin || !url.pathname.startsWith(below)) continue;
    const wanted = path.join(folder, decodeURIComponent(url.pathname.slice(below.length)));
    for(const file of [wanted, path.join(wanted, 'index.json')]) {
      if(fs.statSync(file, {throwIfNoEntry: false})?.isFile()) return file;
    }
  }
  return null;
}

globalThis.fetch = async input => {
  const url = new URL(typeof input === 'string' ? input : input.url ?? String(input));
  const file = find(url);
  if(!file) misses.add(url.href);
  const answer = file ?
    new Response(fs.readFileSync(file), {headers: {'content-type': 'application/json'}}) :
    new Response('not found', {status: 404});
  Object.defineProperty(answer, 'url', {value: url.href});
  return answer;
};

export async function fetchJson(url) {
  const answer = await fetch(url);
  if(!answer.ok) throw new Error(`${answer.status} ${url}`);
  return answer.json();
}

// Runs `judge` on every file: it gets the parsed JSON, or the text of a token, and answers
// {verdict: 'valid' | 'invalid' | 'unknown', why: [...]}.
export async function run(verifier, judge) {
  let worst = 0;
  for(const file of files) {
    misses.clear();
    let answer;
    try {
      const text = fs.readFileSync(file, 'utf8').trim();
      answer = await judge(text.startsWith('{') ? JSON.parse(text) : text);
    } catch(error) {
      answer = {verdict: 'invalid', why: [String(error?.message ?? error)]};
    }
    const missed = misses.size ? [...misses] : undefined;
    console.log(JSON.stringify({verifier, file: path.basename(file), ...answer, missed}));
    worst = Math.max(worst, {valid: 0, invalid: 1}[answer.verdict] ?? 2);
  }
  process.exitCode = worst;
}
