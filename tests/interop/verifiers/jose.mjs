// VC-JWT by the text of Open Badges 3.0, section 8.2; the signature by jose, the key by did:web, the
// status list by @digitalbazaar/vc. Only the algorithms that the 1EdTech validator accepts.
import {fetchJson, run} from './offline.mjs';
import * as jose from 'jose';
import {decodeList} from '@digitalbazaar/vc-bitstring-status-list';
import {judge as judgeList} from './data-integrity.mjs';

const ALGORITHMS = ['RS256', 'ES256'];

async function resolveKey(kid) {
  const [did, fragment] = kid?.split('#') ?? [];
  if(!did?.startsWith('did:web:') || !fragment) throw new Error('kid is not a did:web URL');
  const [host, ...steps] = did.split(':').slice(2).map(decodeURIComponent);
  const folder = steps.length ? steps.join('/') : '.well-known';
  const document = await fetchJson(`https://${host}/${folder}/did.json`);
  const method = document.verificationMethod.find(({id}) => id === kid);
  if(!method?.publicKeyJwk) throw new Error('kid is not in the DID document');
  if(!document.assertionMethod.includes(kid)) throw new Error('kid may not assert');
  return method;
}

const seconds = time => Math.floor(Date.parse(time) / 1000);

function claimFaults(claims, header) {
  const now = Date.now() / 1000;
  const rules = {
    'typ is not JWT': header.typ === 'JWT',
    'headers beside alg, kid, typ': Object.keys(header).every(k => ['alg', 'kid', 'typ'].includes(k)),
    'iss is not the issuer': claims.iss === claims.issuer?.id,
    'jti is not the id': Boolean(claims.jti) && claims.jti === claims.id,
    'sub is not the subject': Boolean(claims.sub) && claims.sub === claims.credentialSubject?.id,
    'nbf is not validFrom': claims.nbf === seconds(claims.validFrom),
    'exp is not validUntil':
      claims.validUntil ? claims.exp === seconds(claims.validUntil) : claims.exp === undefined,
    'not yet valid': !(claims.nbf > now),
    expired: !(claims.exp < now),
  };
  return Object.entries(rules).filter(([, holds]) => !holds).map(([fault]) => fault);
}

async function statusFaults(status, issuer) {
  if(!status) return [];
  const list = await fetchJson(status.statusListCredential);
  const {verdict} = await judgeList(list);
  const faults = verdict === 'valid' ? [] : ['the status list does not verify'];
  if((list.issuer.id ?? list.issuer) !== issuer) faults.push('the status list is by another issuer');
  const bits = await decodeList({encodedList: list.credentialSubject.encodedList});
  if(bits.getStatus(Number(status.statusListIndex))) faults.push(`${status.statusPurpose}: set`);
  return faults;
}

async function judge(token) {
  if(typeof token !== 'string') return {verdict: 'unknown', why: ['is not a token']};
  const header = jose.decodeProtectedHeader(token);
  const method = await resolveKey(header.kid);
  const key = await jose.importJWK(method.publicKeyJwk, header.alg);
  const {payload} = await jose.compactVerify(token, key, {algorithms: ALGORITHMS});
  const claims = JSON.parse(new TextDecoder().decode(payload));
  const why = claimFaults(claims, header);
  if(method.controller !== claims.iss) why.push('the key is not the issuer\'s');
  why.push(...await statusFaults(claims.credentialStatus, claims.iss));
  return {verdict: why.length ? 'invalid' : 'valid', why, alg: header.alg};
}
await run('jose', judge);
