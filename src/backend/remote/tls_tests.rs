use super::*;
use crate::crypto::SecretBytes;

fn client(chain: &str, key: &str) -> ClientCertificate {
    ClientCertificate { chain: chain.as_bytes().to_vec(), key: SecretBytes::from_slice(key.as_bytes()) }
}

fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let says = rcgen::CertificateParams::new(vec!["app.example".to_owned()]).unwrap();
    (says.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_certificate_goes_with_its_own_key_wherever_in_the_file_that_stands() {
    let (chain, key) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (_, other) = made(&rcgen::PKCS_RSA_SHA256);
    identity(&client(&chain, &key)).unwrap();
    identity(&client(&chain, &format!("{chain}{}", key.replace('\n', "\r\n")))).unwrap();
    let (_, advice) = identity(&client(&chain, &other)).err().unwrap();
    assert!(advice.contains("is the key of"), "{advice}");
    let (error, _) = identity(&client(&chain, &key.replace("PRIVATE", "ENCRYPTED PRIVATE"))).err().unwrap();
    assert!(error.contains("nothing in PEM"), "{error}");
    assert!(identity(&client(&key, &key)).is_err() && identity(&client(&chain, &chain)).is_err());
}
