// Tells the LMS that the registration is done and its window can go (LTI Dynamic Registration 3.7).
(function () {
  var lms = window.opener || window.parent;
  if (lms !== window) lms.postMessage({ subject: "org.imsglobal.lti.close" }, "*");
})();
