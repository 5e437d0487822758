// @digitalbazaar/vc: the verifier that follows the W3C texts most closely.
import {run} from './offline.mjs';
import {judge} from './data-integrity.mjs';

await run('digitalbazaar-vc', judge);
