//! The PKCS#11 front end.
