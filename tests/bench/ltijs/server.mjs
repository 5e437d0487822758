// A tool made with ltijs, as its guide shows it: one platform, its key set by address, one answer after the launch.
// node server.mjs '{"port": 1, "issuer": "...", "client": "...", "auth": "...", "token": "...", "keys": "...", "database": ["name", "user", "", {options}]}'
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const lti = require("ltijs").Provider;
const Database = require("ltijs-sequelize");

const given = JSON.parse(process.argv[2]);
lti.setup(
  "a key that signs cookies and sessions",
  { plugin: new Database(...given.database) },
  { appRoute: "/launch", loginRoute: "/login", cookies: { secure: false, sameSite: "" }, devMode: false },
);
lti.onConnect((_token, _request, response) => response.send("launched"));
await lti.deploy({ port: given.port, silent: true });
await lti.registerPlatform({
  url: given.issuer,
  name: "Bench",
  clientId: given.client,
  authenticationEndpoint: given.auth,
  accesstokenEndpoint: given.token,
  authConfig: { method: "JWK_SET", key: given.keys },
});
console.log("ready");
