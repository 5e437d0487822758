// Proves control of a new did:key with libraries that others wrote, as a wallet does for an exchange.
//
//   node did-auth.mjs SUITE CHALLENGE [DOMAIN]
//
// SUITE is one of the names in `suites`. Prints the signed presentation as JSON.
import './offline.mjs';
import * as dccVc from '@digitalcredentials/vc';
import {DataIntegrityProof as DccProof} from '@digitalcredentials/data-integrity';
import {Ed25519Signature2020} from '@digitalcredentials/ed25519-signature-2020';
import {Ed25519VerificationKey2020} from '@digitalcredentials/ed25519-verification-key-2020';
import {cryptosuite as dccSuite} from '@digitalcredentials/eddsa-rdfc-2022-cryptosuite';
import {securityLoader as dccLoader} from '@digitalcredentials/security-document-loader';
import * as dbVc from '@digitalbazaar/vc';
import {DataIntegrityProof as DbProof} from '@digitalbazaar/data-integrity';
import {cryptosuite as dbSuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {securityLoader as dbLoader} from '@digitalbazaar/security-document-loader';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';

async function oldKey() {
  const key = await Ed25519VerificationKey2020.generate();
  key.controller = `did:key:${key.fingerprint()}`;
  key.id = `${key.controller}#${key.fingerprint()}`;
  return key;
}

async function multikey() {
  const key = await Ed25519Multikey.generate();
  key.controller = `did:key:${key.publicKeyMultibase}`;
  key.id = `${key.controller}#${key.publicKeyMultibase}`;
  return key;
}

const suites = {
  async 'dcc-Ed25519Signature2020'() {
    const key = await oldKey();
    return [dccVc, key.controller, new Ed25519Signature2020({key}), dccLoader().build()];
  },
  // As older releases of the Learner Credential Wallet, on the data model 1.1.
  async 'dcc-Ed25519Signature2020-vc1'() {
    return [...await suites['dcc-Ed25519Signature2020'](), 1.0];
  },
  async 'dcc-eddsa-rdfc-2022'() {
    const key = await multikey();
    const suite = new DccProof({signer: key.signer(), cryptosuite: dccSuite});
    return [dccVc, key.controller, suite, dccLoader().build()];
  },
  async 'digitalbazaar-eddsa-rdfc-2022'() {
    const key = await multikey();
    const suite = new DbProof({signer: key.signer(), cryptosuite: dbSuite});
    return [dbVc, key.controller, suite, dbLoader().build()];
  },
};

const [name, challenge, domain] = process.argv.slice(2);
const [vc, holder, suite, documentLoader, version] = await suites[name]();
const presentation = vc.createPresentation({holder, verify: false, version});
console.log(JSON.stringify(
  await vc.signPresentation({presentation, suite, challenge, domain, documentLoader})));
