// @digitalcredentials/verifier-core: the engine of VerifierPlus and of the Learner Credential Wallet.
import {run} from './offline.mjs';
import {verifyCredential} from '@digitalcredentials/verifier-core';

// The library chats on stdout, which belongs to the verdicts.
const say = console.log;
console.info = console.debug = console.warn = console.error = () => {};

async function judge(credential) {
  if(typeof credential === 'string') return {verdict: 'unknown', why: ['does not read tokens']};
  console.log = () => {};
  let result;
  try {
    result = await verifyCredential({credential, knownDIDRegistries: []});
  } finally {
    console.log = say;
  }
  const log = Object.fromEntries((result.log ?? []).map(step => [step.id, step.valid]));
  const why = (result.errors ?? []).map(error => `${error.name}: ${error.message}`);
  if(log.valid_signature !== true) why.push('signature');
  if(log.expiration === false) why.push('expired');
  // A status that is named but was not found good counts as bad.
  if(credential.credentialStatus && log.revocation_status !== true) why.push('revoked');
  if(log.suspension_status === false) why.push('suspended');
  // An issuer outside the registries of that project is a warning there, not a refusal.
  return {verdict: why.length ? 'invalid' : 'valid', why, log};
}
await run('verifier-core', judge);
