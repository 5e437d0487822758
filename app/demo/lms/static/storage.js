// LTI platform storage: values that a tool without cookies keeps here, apart for each origin.
"use strict";
(function () {
  const kept = new Map();
  const limit = 500;

  function answer(data, origin) {
    const key = origin + " " + data.key;
    if (data.subject === "lti.capabilities") {
      const names = ["lti.capabilities", "lti.put_data", "lti.get_data"];
      const frame = window.name || "_parent";
      return { supported_messages: names.map((subject) => ({ subject: subject, frame: frame })) };
    }
    if (data.subject === "lti.put_data") {
      if (kept.size >= limit) return { error: { code: "storage_exhaustion", message: "full" } };
      kept.set(key, data.value);
    }
    return { key: data.key, value: kept.get(key) };
  }

  window.addEventListener("message", function (event) {
    const data = event.data;
    const known = ["lti.capabilities", "lti.put_data", "lti.get_data"];
    if (!data || known.indexOf(data.subject) < 0 || !event.source) return;
    const reply = answer(data, event.origin);
    reply.subject = data.subject + ".response";
    reply.message_id = data.message_id;
    event.source.postMessage(reply, event.origin);
  });
})();
