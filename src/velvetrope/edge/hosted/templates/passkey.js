"use strict";
// One ceremony per page: the form carries the options, and takes what the authenticator answers.
// Source: W3C Web Authentication Level 3, sections 5.1.3, 5.1.4 and 5.1.10 for the JSON forms.
(() => {
  const form = document.getElementById("passkey");
  const failed = document.getElementById("passkey-failed");
  const known = document.getElementById("passkey-known");
  const creates = form.dataset.ceremony === "create";

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const described = (credentials) => (credentials || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const asked = () => {
    const options = JSON.parse(form.dataset.options);
    options.challenge = bytes(options.challenge);
    if (creates) {
      options.user.id = bytes(options.user.id);
      options.excludeCredentials = described(options.excludeCredentials);
    } else {
      options.allowCredentials = described(options.allowCredentials);
    }
    return { publicKey: options };
  };

  const answered = (credential) => {
    const given = credential.response;
    const response = { clientDataJSON: text(given.clientDataJSON) };
    if (creates) {
      response.attestationObject = text(given.attestationObject);
      response.transports = given.getTransports ? given.getTransports() : [];
    } else {
      response.authenticatorData = text(given.authenticatorData);
      response.signature = text(given.signature);
      if (given.userHandle) response.userHandle = text(given.userHandle);
    }
    return {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment,
      clientExtensionResults: {},
      response,
    };
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failed.hidden = true;
    if (known) known.hidden = true;
    try {
      const credential = await (creates ? navigator.credentials.create(asked()) : navigator.credentials.get(asked()));
      form.elements.credential.value = JSON.stringify(answered(credential));
    } catch (refusal) {
      (known && refusal.name === "InvalidStateError" ? known : failed).hidden = false;
      return;
    }
    form.submit();
  });
})();
