// Azure's JavaScript SDK for certificates against a vault, with the secrets' beside it.
"use strict";

const assert = require("node:assert/strict");
const { X509Certificate, createPrivateKey } = require("node:crypto");
const { test } = require("node:test");
const { CertificateClient } = require("@azure/keyvault-certificates");
const { SecretClient } = require("@azure/keyvault-secrets");
const { all, credential, refused, url } = require("./vault.cjs");

const certificates = new CertificateClient(url, credential);
const secrets = new SecretClient(url, credential);
const often = { intervalInMs: 100 };
const policy = { issuerName: "Self", subject: "CN=js", keyType: "EC", keyCurveName: "P-256", contentType: "application/x-pem-file" };

const create = async (name, changed = {}, options = {}) => {
  const poller = await certificates.beginCreateCertificate(name, { ...policy, ...changed }, { ...often, ...options });
  return poller.pollUntilDone();
};

test("a certificate is made, shown with its secret, changed and listed", async () => {
  const made = await create("js-made", {}, { tags: { a: "b" } });
  const certificate = new X509Certificate(Buffer.from(made.cer));
  assert.equal(certificate.subject, "CN=js");
  assert.equal(made.keyId, `${url}/keys/js-made/${made.properties.version}`);
  assert.deepEqual(made.properties.tags, { a: "b" });
  const secret = await secrets.getSecret("js-made");
  assert.ok(certificate.checkPrivateKey(createPrivateKey(secret.value)));
  assert.equal(new X509Certificate(secret.value.slice(secret.value.indexOf("-----BEGIN CERT"))).fingerprint, certificate.fingerprint);
  const read = await certificates.getCertificateVersion("js-made", made.properties.version);
  assert.deepEqual(Buffer.from(read.cer), Buffer.from(made.cer));
  const changed = await certificates.updateCertificateProperties("js-made", made.properties.version, { enabled: false });
  assert.equal(changed.properties.enabled, false);
  await certificates.updateCertificateProperties("js-made", made.properties.version, { enabled: true });
  const kept = await certificates.updateCertificatePolicy("js-made", { ...policy, validityInMonths: 3 });
  assert.equal(kept.validityInMonths, 3);
  assert.equal((await certificates.getCertificatePolicy("js-made")).validityInMonths, 3);
  for (let i = 0; i < 3; i++) await create("js-made");
  assert.equal((await all(certificates.listPropertiesOfCertificateVersions("js-made"))).length, 4);
  assert.ok((await all(certificates.listPropertiesOfCertificates())).some((of) => of.name === "js-made"));
  await assert.rejects(certificates.getCertificate("js-absent"), refused(404, "CertificateNotFound"));
});

test("what waits is merged, and what an issuer elsewhere is asked for is cancelled", async () => {
  const operationOf = async (name) => (await certificates.getCertificateOperation(name, often)).getOperationState().certificateOperation;
  await certificates.beginCreateCertificate("js-waits", { ...policy, issuerName: "Unknown" }, often);
  const operation = await operationOf("js-waits");
  assert.equal(operation.status, "inProgress");
  assert.ok(operation.csr.length > 100);
  const other = new X509Certificate(Buffer.from((await create("js-other")).cer));
  await assert.rejects(certificates.mergeCertificate("js-waits", [new Uint8Array(other.raw)]), refused(400, "BadParameter"));
  await certificates.createIssuer("js-issuer", "DigiCert");
  const asked = await certificates.beginCreateCertificate("js-asked", { ...policy, issuerName: "js-issuer" }, often);
  await asked.cancelOperation();
  assert.equal((await operationOf("js-asked")).status, "cancelled");
  await certificates.deleteCertificateOperation("js-asked");
  await assert.rejects(certificates.getCertificateOperation("js-asked", often), refused(404, "PendingCertificateNotFound"));
});

test("what is exported is imported again under another name", async () => {
  await create("js-exported", { contentType: "application/x-pkcs12" });
  const secret = await secrets.getSecret("js-exported");
  assert.equal(secret.properties.contentType, "application/x-pkcs12");
  const imported = await certificates.importCertificate("js-imported", Buffer.from(secret.value, "base64"));
  assert.deepEqual(Buffer.from(imported.cer), Buffer.from((await certificates.getCertificate("js-exported")).cer));
  await assert.rejects(certificates.importCertificate("js-no", Buffer.from("nothing")), refused(400, "BadParameter"));
});

test("issuers and contacts are set, listed and deleted", async () => {
  const issuer = await certificates.createIssuer("js-own", "Test", { accountId: "account", password: "kept-to-itself" });
  assert.deepEqual([issuer.provider, issuer.accountId, issuer.password], ["Test", "account", undefined]);
  const changed = await certificates.updateIssuer("js-own", { provider: "Other", accountId: "another" });
  assert.deepEqual([changed.provider, changed.accountId, changed.enabled], ["Other", "another", true]);
  assert.ok((await all(certificates.listPropertiesOfIssuers())).some((of) => of.id.endsWith("/issuers/js-own")));
  await certificates.deleteIssuer("js-own");
  await assert.rejects(certificates.getIssuer("js-own"), refused(404, "IssuerNotFound"));
  await certificates.setContacts([{ email: "who@example.org", name: "Who" }]);
  assert.deepEqual((await certificates.getContacts()).map((of) => of.email), ["who@example.org"]);
  assert.equal((await certificates.deleteContacts()).length, 1);
});

test("pollers see a certificate deleted and recovered, and a backup brings it back after its end", async () => {
  const made = await create("js-deleted");
  const deleted = await (await certificates.beginDeleteCertificate("js-deleted", often)).pollUntilDone();
  assert.equal(deleted.recoveryId, `${url}/deletedcertificates/js-deleted`);
  await assert.rejects(certificates.getCertificate("js-deleted"), refused(404, "CertificateNotFound"));
  await (await certificates.beginRecoverDeletedCertificate("js-deleted", often)).pollUntilDone();
  const backup = await certificates.backupCertificate("js-deleted");
  await (await certificates.beginDeleteCertificate("js-deleted", often)).pollUntilDone();
  await certificates.purgeDeletedCertificate("js-deleted");
  const restored = await certificates.restoreCertificateBackup(backup);
  assert.equal(restored.properties.version, made.properties.version);
  assert.ok((await secrets.getSecret("js-deleted")).value);
});
