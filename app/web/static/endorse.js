// Signs an endorsement in the browser. The private key is made or read here and never sent; the
// server is told the public half, answers with the words to sign, and checks what comes back.
(function () {
  "use strict";
  var form = document.getElementById("sign");
  if (!form || !window.crypto || !crypto.subtle) return;
  var ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  var words = form.dataset;
  var saved = null;

  function base58(bytes) {
    var digits = [];
    bytes.forEach(function (byte) {
      var carry = byte;
      for (var i = 0; i < digits.length; i += 1) {
        carry += digits[i] * 256;
        digits[i] = carry % 58;
        carry = Math.floor(carry / 58);
      }
      while (carry) { digits.push(carry % 58); carry = Math.floor(carry / 58); }
    });
    var zeros = bytes.findIndex(function (byte) { return byte !== 0; });
    return "1".repeat(zeros < 0 ? bytes.length : zeros)
      + digits.reverse().map(function (digit) { return ALPHABET[digit]; }).join("");
  }

  function tell(text, bad) {
    var box = document.getElementById("sign-said");
    box.textContent = text;
    box.className = "says" + (bad ? " bad" : "");
    box.hidden = !text;
    if (bad) box.focus();
  }

  function offer(id, name, text) {
    var link = document.getElementById(id);
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = name;
  }

  async function ownKey() {
    var file = document.getElementById("key_file").files[0];
    if (!file) {
      var pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
      return crypto.subtle.exportKey("jwk", pair.privateKey);
    }
    var jwk = JSON.parse(await file.text());
    if (jwk.kty !== "OKP" || jwk.crv !== "Ed25519" || !jwk.d || !jwk.x) throw new Error("key");
    return jwk;
  }

  async function hashed(text) {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  }

  async function ask(jwk) {
    var body = new URLSearchParams({ key: jwk.x });
    ["name", "url", "comment"].forEach(function (name) { body.append(name, form.elements[name].value); });
    var answer = await fetch(words.words, { method: "POST", body: body });
    var told = answer.ok || answer.status === 422 ? await answer.json() : { problem: words.failed };
    if (told.problem) { tell(told.problem, true); return null; }
    return told;
  }

  async function seal(jwk, told) {
    var key = await crypto.subtle.importKey(
      "jwk", { kty: "OKP", crv: "Ed25519", d: jwk.d, x: jwk.x }, { name: "Ed25519" }, false, ["sign"]);
    var parts = await Promise.all(told.texts.map(hashed));
    var data = new Uint8Array(64);
    data.set(parts[0], 0);
    data.set(parts[1], 32);
    var signature = new Uint8Array(await crypto.subtle.sign("Ed25519", key, data));
    var proof = Object.assign({}, told.proof, { proofValue: "z" + base58(signature) });
    return Object.assign({}, told.document, { proof: proof });
  }

  form.addEventListener("submit", async function (event) {
    event.preventDefault();
    tell(words.busy, false);
    try {
      var jwk = await ownKey();
      var told = await ask(jwk);
      if (!told) return;
      saved = JSON.stringify(await seal(jwk, told));
      offer("save-key", "endorsement-key.json", JSON.stringify(
        { kty: "OKP", crv: "Ed25519", x: jwk.x, d: jwk.d }));
      offer("save-signed", "endorsement.json", saved);
      document.getElementById("signed-words").textContent = told.texts.join("\n");
      document.getElementById("signed-text").value = saved;
      tell("", false);
      form.hidden = true;
      var done = document.getElementById("send");
      done.hidden = false;
      done.querySelector("h2").focus();
    } catch (problem) {
      tell(problem.message === "key" || problem instanceof SyntaxError ? words.wrongKey : words.cannot, true);
    }
  });

  document.getElementById("sign-part").hidden = false;
})();
