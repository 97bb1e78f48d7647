// The vault under test as its clients reach it, for the scripts beside this one.
//
// VAULT_URL says where it is, NODE_PATH where the packages are; the AZURE_ variables and NODE_EXTRA_CA_CERTS are what the
// server tells its clients to set.
"use strict";

const assert = require("node:assert/strict");
const { DefaultAzureCredential } = require("@azure/identity");

const url = process.env.VAULT_URL;
const credential = new DefaultAzureCredential();

const all = async (pages) => {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
};

const refused = (status, code) => (error) => {
  assert.equal(error.statusCode, status, error.message);
  assert.equal(error.code, code);
  return true;
};

module.exports = { all, credential, refused, url };
