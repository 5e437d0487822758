// LTI platform storage (lti-pm-s, lti-cs-pm 0.1): values that a tool without cookies keeps here,
// apart for each origin. What it does wrong on request stands in the data attributes of the script.
"use strict";
(function () {
  const set = document.currentScript.dataset;
  const prefix = set.fault === "old-subjects" ? "org.imsglobal.lti." : "lti.";
  const verbs = ["capabilities", "put_data", "get_data"];
  const kept = new Map();
  const keysOfOneOrigin = 500;
  const longest = 4096;

  function error(code, message) {
    return { error: { code: code, message: message } };
  }

  function capabilities() {
    return {
      supported_messages: verbs.map(function (verb) {
        const entry = { subject: prefix + verb };
        if (verb !== "capabilities" && set.announces) entry.frame = set.announces;
        return entry;
      }),
    };
  }

  function values(verb, data, origin) {
    if (typeof data.key !== "string" || !data.key) return error("bad_request", "key is missing");
    if (set.fault === "error") return error("storage_exhaustion", "no room today");
    if (!kept.has(origin)) kept.set(origin, new Map());
    const mine = kept.get(origin);
    if (verb === "get_data") {
      const value = set.fault === "forgets" ? undefined : mine.get(data.key);
      return { key: data.key, value: value === undefined ? null : value };
    }
    if (data.value === null || data.value === undefined) {
      mine.delete(data.key);
      return { key: data.key, value: null };
    }
    if (typeof data.value !== "string") return error("bad_request", "value must be a string");
    const full = !mine.has(data.key) && mine.size >= keysOfOneOrigin;
    if (full || data.value.length > longest) return error("storage_exhaustion", "too much");
    mine.set(data.key, data.value);
    return { key: data.key, value: data.value };
  }

  function reply(data, origin) {
    const verb = data.subject.slice(prefix.length);
    if (typeof data.message_id !== "string") return error("bad_request", "message_id is missing");
    if (verb === "capabilities") return capabilities();
    return values(verb, data, origin);
  }

  function known(data) {
    if (!data || typeof data.subject !== "string" || !data.subject.startsWith(prefix)) return false;
    const verb = data.subject.slice(prefix.length);
    return set.answers === "capabilities" ? verb === "capabilities" : verbs.includes(verb);
  }

  function send(window, data, origin, target) {
    const answer = Object.assign(reply(data, origin), {
      subject: data.subject + ".response",
      message_id: data.message_id,
    });
    setTimeout(function () { window.postMessage(answer, target); }, Number(set.delay) || 0);
  }

  window.addEventListener("message", function (event) {
    const passed = event.data && event.data.passed;
    if (set.elsewhere && passed) {
      // What a tool asked of the LMS, answered by somebody else.
      if (known(passed.data)) send(window.parent.frames.tool, passed.data, passed.origin, "*");
      return;
    }
    // An origin that is "null" (a sandboxed frame) cannot be answered, nor told from another one.
    if (!event.source || event.origin === "null" || !known(event.data)) return;
    if (set.answers === "relay") {
      const stranger = window.top.frames.stranger;
      stranger.postMessage({ passed: { data: event.data, origin: event.origin } }, "*");
      return;
    }
    if (set.answers !== "nothing") send(event.source, event.data, event.origin, event.origin);
  });
})();
