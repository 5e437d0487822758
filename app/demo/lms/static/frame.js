// What the framed tool may ask of its frame: a height, and (while registering) to be closed.
"use strict";
(function () {
  const frame = document.getElementById("tool");
  window.addEventListener("message", function (event) {
    if (!frame || event.source !== frame.contentWindow) return;
    let data = event.data;
    if (typeof data === "string") {
      try { data = JSON.parse(data); } catch { return; }
    }
    if (!data || typeof data !== "object") return;
    if (data.subject === "lti.frameResize" && Number(data.height) > 0) {
      frame.style.height = Math.min(Number(data.height), 20000) + "px";
    }
    if (data.subject === "org.imsglobal.lti.close" && frame.dataset.close) {
      window.location.assign(frame.dataset.close);
    }
  });
})();
