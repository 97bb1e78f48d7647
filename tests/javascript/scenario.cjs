// Azure's JavaScript SDKs against a vault: keys, secrets, cryptography, and the pollers of deletion and recovery.
"use strict";

const assert = require("node:assert/strict");
const { createHash, createHmac, generateKeyPairSync, verify } = require("node:crypto");
const { test } = require("node:test");
const { CryptographyClient, KeyClient } = require("@azure/keyvault-keys");
const { SecretClient } = require("@azure/keyvault-secrets");
const { all, credential, refused, url } = require("./vault.cjs");

const keys = new KeyClient(url, credential);
const secrets = new SecretClient(url, credential);
const sha256 = (text) => createHash("sha256").update(text).digest();

test("a secret is set, read, changed and listed over several pages", async () => {
  const made = await secrets.setSecret("js-full", "wörld 🔑", { tags: { a: "b" }, contentType: "text/plain" });
  const read = await secrets.getSecret("js-full", { version: made.properties.version });
  assert.equal(read.value, "wörld 🔑");
  assert.deepEqual([read.properties.tags, read.properties.contentType], [{ a: "b" }, "text/plain"]);
  assert.equal(read.properties.id, `${url}/secrets/js-full/${made.properties.version}`);
  await secrets.updateSecretProperties("js-full", made.properties.version, { enabled: false });
  await assert.rejects(secrets.getSecret("js-full"), refused(403, "Forbidden"));
  await assert.rejects(secrets.getSecret("js-absent"), refused(404, "SecretNotFound"));
  for (let i = 0; i < 28; i++) await secrets.setSecret(`js-listed-${i}`, "v");
  const names = (await all(secrets.listPropertiesOfSecrets())).map((of) => of.name);
  assert.equal(names.filter((name) => name.startsWith("js-listed-")).length, 28);
  for (let i = 0; i < 27; i++) await secrets.setSecret("js-versions", String(i));
  assert.equal((await all(secrets.listPropertiesOfSecretVersions("js-versions"))).length, 27);
});

test("keys of every kind are made, changed and listed", async () => {
  for (const curve of ["P-256", "P-384", "P-521", "P-256K"]) {
    const key = await keys.createEcKey(`js-${curve}`, { curve });
    assert.deepEqual([key.keyType, key.key.crv], ["EC", curve]);
  }
  for (const keySize of [2048, 3072, 4096]) {
    const key = await keys.createRsaKey("js-rsa", { keySize, hsm: true });
    assert.deepEqual([key.keyType, key.key.n.length], ["RSA-HSM", keySize / 8]);
  }
  const oct = await keys.createOctKey("js-oct", { keySize: 256 });
  assert.deepEqual([oct.keyType, oct.key.k], ["oct", undefined]);
  const expiresOn = new Date("2040-01-01T00:00:00Z");
  const changed = await keys.updateKeyProperties("js-P-256", { expiresOn, tags: { a: "b" } });
  assert.deepEqual([changed.properties.expiresOn, changed.properties.tags], [expiresOn, { a: "b" }]);
  assert.equal((await all(keys.listPropertiesOfKeyVersions("js-rsa"))).length, 3);
  assert.ok((await all(keys.listPropertiesOfKeys())).some((of) => of.name === "js-oct"));
  assert.equal((await keys.getRandomBytes(24)).length, 24);
});

test("what the vault signs Node.js verifies", async () => {
  const cases = [
    [await keys.createEcKey("js-sign-ec"), "ES256", { dsaEncoding: "ieee-p1363" }],
    [await keys.createRsaKey("js-sign-rsa", { keySize: 2048 }), "RS256", {}],
    [await keys.createRsaKey("js-sign-rsa"), "PS256", { padding: 6, saltLength: 32 }],
  ];
  for (const [key, algorithm, how] of cases) {
    const client = new CryptographyClient(key, credential);
    const { result, keyID } = await client.signData(algorithm, Buffer.from("message"));
    assert.equal(keyID, key.id);
    const text = (bytes) => Buffer.from(bytes).toString("base64url");
    const { kty, crv, x, y, n, e } = key.key;
    const jwk = kty === "EC" ? { kty, crv, x: text(x), y: text(y) } : { kty, n: text(n), e: text(e) };
    const publicKey = require("node:crypto").createPublicKey({ key: jwk, format: "jwk" });
    assert.ok(verify("sha256", Buffer.from("message"), { key: publicKey, ...how }, result));
    assert.ok((await client.verify(algorithm, sha256("message"), result)).result);
    assert.ok(!(await client.verify(algorithm, sha256("another"), result)).result);
  }
});

test("keys that are brought sign, and what is encrypted comes back", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const jwk = privateKey.export({ format: "jwk" });
  for (const part of ["x", "y", "d"]) jwk[part] = Buffer.from(jwk[part], "base64url");
  const brought = await keys.importKey("js-brought", { ...jwk, keyOps: ["sign", "verify"] });
  const client = new CryptographyClient(brought, credential);
  const { result } = await client.signData("ES384", Buffer.from("message"));
  assert.ok(verify("sha384", Buffer.from("message"), { key: publicKey, dsaEncoding: "ieee-p1363" }, result));

  const code = Buffer.from("0123456789abcdef0123456789abcdef");
  const hmac = await keys.importKey("js-hmac", { kty: "oct", k: code, keyOps: ["sign", "verify"] });
  const signed = await new CryptographyClient(hmac, credential).sign("HS256", sha256("message"));
  assert.deepEqual(Buffer.from(signed.result), createHmac("sha256", code).update(sha256("message")).digest());

  const rsa = new CryptographyClient(await keys.createRsaKey("js-secrecy"), credential);
  for (const algorithm of ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"]) {
    const sealed = await rsa.encrypt({ algorithm, plaintext: Buffer.from("kept") });
    const opened = await rsa.decrypt({ algorithm, ciphertext: sealed.result });
    assert.equal(Buffer.from(opened.result).toString(), "kept");
    const wrapped = await rsa.wrapKey(algorithm, code);
    assert.deepEqual(Buffer.from((await rsa.unwrapKey(algorithm, wrapped.result)).result), code);
  }
  const aes = new CryptographyClient(await keys.createOctKey("js-aes", { keySize: 256 }), credential);
  const beside = Buffer.from("beside");
  const plaintext = Buffer.from("kept");
  const sealed = await aes.encrypt({ algorithm: "A256GCM", plaintext, additionalAuthenticatedData: beside });
  const { result: ciphertext, iv, authenticationTag } = sealed;
  const opened = await aes.decrypt({
    algorithm: "A256GCM", ciphertext, iv, authenticationTag, additionalAuthenticatedData: beside,
  });
  assert.equal(Buffer.from(opened.result).toString(), "kept");
  const wrapped = await aes.wrapKey("A256KW", code);
  assert.deepEqual(Buffer.from((await aes.unwrapKey("A256KW", wrapped.result)).result), code);
});

test("pollers see keys and secrets deleted and recovered, and a purge ends them", async () => {
  for (const [client, make, get, gone, begin, recover, purge, code] of [
    [keys, "createEcKey", "getKey", "getDeletedKey", "beginDeleteKey", "beginRecoverDeletedKey", "purgeDeletedKey", "KeyNotFound"],
    [secrets, "setSecret", "getSecret", "getDeletedSecret", "beginDeleteSecret", "beginRecoverDeletedSecret",
      "purgeDeletedSecret", "SecretNotFound"],
  ]) {
    const made = await client[make]("js-deleted", ...(client === secrets ? ["v"] : []));
    const deleting = await client[begin]("js-deleted", { intervalInMs: 100 });
    const deleted = await deleting.pollUntilDone();
    assert.equal(deleted.properties.recoveryId, `${url}/deleted${client === secrets ? "secrets" : "keys"}/js-deleted`);
    assert.equal(deleted.properties.version, made.properties.version);
    assert.ok(deleted.properties.scheduledPurgeDate > deleted.properties.deletedOn);
    await assert.rejects(client[get]("js-deleted"), refused(404, code));
    const recovering = await client[recover]("js-deleted", { intervalInMs: 100 });
    await recovering.pollUntilDone();
    assert.equal((await client[get]("js-deleted")).properties.version, made.properties.version);
    await (await client[begin]("js-deleted", { intervalInMs: 100 })).pollUntilDone();
    await client[purge]("js-deleted");
    await assert.rejects(client[gone]("js-deleted"), refused(404, code));
  }
});
