// Where a browser without cookies keeps the secret of a login: the LMS's storage (LTI client side
// postMessages and platform storage 0.1) and this frame's own. Every part may fail; the next one is tried.
window.tasselStore = (function () {
  "use strict";
  var WAIT = 1000;
  var number = 0;

  function lmsWindow() {
    if (window.parent !== window) return window.parent;
    return window.opener || null;
  }

  // One message and its answer. `origin` is "*" only for the question what the LMS can do at all.
  function ask(target, origin, message, wait) {
    return new Promise(function (resolve) {
      var id = "tassel-" + Date.now() + "-" + (number += 1) + "-" + Math.random().toString(36).slice(2);
      var timer = setTimeout(function () { done(null); }, wait);
      function done(answer) {
        clearTimeout(timer);
        window.removeEventListener("message", heard);
        resolve(answer);
      }
      function heard(event) {
        var data = event.data;
        if (event.source !== target || !data || data.message_id !== id) return;
        if (origin !== "*" && event.origin !== origin) return;
        if (data.subject !== message.subject + ".response") return;
        done(data.error ? null : data);
      }
      window.addEventListener("message", heard);
      try {
        target.postMessage(Object.assign({ message_id: id }, message), origin);
      } catch (_error) {
        done(null);
      }
    });
  }

  // The frame that an LMS names, beside us inside its page.
  function frameOf(name) {
    var lms = lmsWindow();
    if (!lms || !name || name === "_parent") return lms;
    try {
      return lms.frames[name] || lms;
    } catch (_error) {
      return lms;
    }
  }

  // What the LMS says of itself wins over what it said at the login; older ones use longer names.
  async function places(named) {
    var lms = lmsWindow();
    var found = [];
    if (!lms) return found;
    var prefixes = ["lti.", "org.imsglobal.lti."];
    for (var prefix of prefixes) {
      var answer = await ask(lms, "*", { subject: prefix + "capabilities" }, WAIT / 2);
      var listed = (answer && answer.supported_messages) || [];
      var able = listed.filter(function (one) { return one && one.subject === prefix + "get_data"; });
      if (able.length) found.push({ prefix: prefix, frame: able[0].frame || named || "_parent" });
      if (found.length) break;
    }
    if (!found.length && named) found.push({ prefix: "lti.", frame: named });
    if (found.length && found[0].frame !== "_parent") {
      found.push({ prefix: found[0].prefix, frame: "_parent" });
    }
    return found;
  }

  async function each(place, message) {
    if (!place.lms) return null;
    for (var one of await places(place.frame)) {
      var target = frameOf(one.frame);
      var full = Object.assign({}, message, { subject: one.prefix + message.subject });
      var answer = target && (await ask(target, place.lms, full, WAIT));
      if (answer && answer.key === message.key) return answer;
    }
    return null;
  }

  return {
    cookie: function () {
      try {
        var rest = "; Path=/; Secure; SameSite=None; Partitioned";
        document.cookie = "__Host-tassel-try=1" + rest;
        var kept = document.cookie.indexOf("__Host-tassel-try=1") >= 0;
        document.cookie = "__Host-tassel-try=; Max-Age=0" + rest;
        return kept;
      } catch (_error) {
        return false;
      }
    },
    // Whether the LMS keeps the value. `place` is {lms: origin, frame: name or ""}.
    put: async function (place, key, value) {
      var answer = await each(place, { subject: "put_data", key: key, value: value });
      return Boolean(answer && answer.value === value);
    },
    // The value, or null.
    get: async function (place, key) {
      var answer = await each(place, { subject: "get_data", key: key });
      return (answer && typeof answer.value === "string" && answer.value) || null;
    },
    remember: function (key, value) {
      try {
        window.sessionStorage.setItem(key, value);
        return window.sessionStorage.getItem(key) === value;
      } catch (_error) {
        return false;
      }
    },
    recall: function (key) {
      try {
        var value = window.sessionStorage.getItem(key);
        window.sessionStorage.removeItem(key);
        return value;
      } catch (_error) {
        return null;
      }
    },
  };
})();
