//! The same on HTTP/2, where requests of one connection run side by side.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::scene::{Authority, Certified, DAY, Says, Scene};
use crate::serving::NOW;

async fn connect(scene: &Scene, certified: &Certified) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(scene.address()).await.unwrap();
    let connector = TlsConnector::from(scene.client_config(Some(certified), "h2"));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// The status of a request whose body comes in these parts; without any, its header is its end.
async fn status(requests: &mut SendRequest<Bytes>, method: &str, path: &str, parts: &[&'static str]) -> u16 {
    let uri = format!("https://{}{path}?api-version=7.5", crate::serving::VAULT);
    let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    let mut ready = requests.clone().ready().await.unwrap();
    let (answer, mut body) = ready.send_request(request.body(()).unwrap(), parts.is_empty()).unwrap();
    for (at, part) in parts.iter().enumerate() {
        body.send_data(Bytes::from_static(part.as_bytes()), at + 1 == parts.len()).unwrap();
    }
    answer.await.unwrap().status().as_u16()
}

#[test]
fn a_probe_is_challenged_and_a_revoked_certificate_stops_counting() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, Some(authority.list(&[], NOW + DAY)));
    scene.somebody_named("web", "dns:one.test");
    let one = authority.issue(&Says::names(&["dns:one.test"]));
    scene.world.runtime().block_on(async {
        let run = async {
            let mut client = connect(&scene, &one).await;
            for empty in [&[][..], &[""], &["", ""]] {
                assert_eq!(status(&mut client, "PUT", "/secrets/word", empty).await, 401, "{empty:?}");
            }
            assert_eq!(status(&mut client, "GET", "/secrets/word", &[]).await, 404);
            assert_eq!(status(&mut client, "PUT", "/secrets/word", &[r#"{"value""#, r#":"sesame"}"#]).await, 200);
            assert_eq!(status(&mut client, "GET", "/secrets/word", &[]).await, 200);
            scene.revoke(authority.list(&[&one.serial], NOW + DAY));
            assert_eq!(status(&mut client, "GET", "/secrets/word", &[]).await, 401);
        };
        tokio::time::timeout(Duration::from_secs(30), run).await.unwrap();
    });
}
