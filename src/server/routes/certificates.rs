//! The routes of certificates, with their operations, policies, issuers and contacts.

use axum::http::Method;

use super::DataAction as A;
use super::PolicyPermission as P;
use super::Work::{Make, Read, Short, Write};
use super::{Route, schema};
use crate::server::certificates::{self, Certificates, bodies, contacts, issuers, operation};
use crate::server::{blob, deleted};

/// Issuers and contacts, certificates, and deleted ones. Where two rows fit a path as well, the first counts.
pub fn rows() -> Vec<Route> {
    [beside(), live(), kept()].into_iter().flatten().collect()
}

/// What a vault keeps beside its certificates.
fn beside() -> Vec<Route> {
    let issuer = "/certificates/issuers/{name}";
    let contact = "/certificates/contacts";
    vec![
        Route::new(
            Method::GET,
            "/certificates/issuers",
            "CertificateIssuersList",
            A::ISSUERS_READ,
            Short,
            issuers::list,
        )
        .permission(P::ISSUERS_LIST),
        Route::new(Method::GET, issuer, "CertificateIssuerGet", A::ISSUERS_READ, Short, issuers::get)
            .permission(P::ISSUERS_GET),
        Route::new(Method::PUT, issuer, "CertificateIssuerSet", A::ISSUERS_WRITE, Write, issuers::set)
            .permission(P::ISSUERS_SET)
            .body(schema::<bodies::IssuerSetParameters>),
        Route::new(Method::PATCH, issuer, "CertificateIssuerUpdate", A::ISSUERS_WRITE, Write, issuers::update)
            .permission(P::ISSUERS_SET)
            .body(schema::<bodies::IssuerUpdateParameters>),
        Route::new(Method::DELETE, issuer, "CertificateIssuerDelete", A::ISSUERS_DELETE, Write, issuers::delete)
            .permission(P::ISSUERS_DELETE),
        Route::new(Method::GET, contact, "CertificateContactsGet", A::CONTACTS_WRITE, Short, contacts::get)
            .permission(P::CONTACTS_MANAGE),
        Route::new(Method::PUT, contact, "CertificateContactsSet", A::CONTACTS_WRITE, Write, contacts::set)
            .permission(P::CONTACTS_MANAGE)
            .body(schema::<bodies::ContactsSetParameters>),
        Route::new(Method::DELETE, contact, "CertificateContactsDelete", A::CONTACTS_WRITE, Write, contacts::delete)
            .permission(P::CONTACTS_MANAGE),
    ]
}

fn live() -> Vec<Route> {
    let one = "/certificates/{name}";
    let version = "/certificates/{name}/{version}";
    let policy = "/certificates/{name}/policy";
    let pending = "/certificates/{name}/pending";
    let (create, import) = ("/certificates/{name}/create", "/certificates/{name}/import");
    let (versions, merge) = ("/certificates/{name}/versions", "/certificates/{name}/pending/merge");
    let (backup, restore) = ("/certificates/{name}/backup", "/certificates/restore");
    let (read, update) = (A::CERTIFICATES_READ, A::CERTIFICATES_UPDATE);
    vec![
        Route::new(Method::POST, create, "CertificateCreate", A::CERTIFICATES_CREATE, Make, certificates::create)
            .permission(P::CERTIFICATES_CREATE)
            .status(202)
            .body(schema::<bodies::CreateParameters>),
        Route::new(Method::POST, import, "CertificateImport", A::CERTIFICATES_IMPORT, Make, certificates::import)
            .permission(P::CERTIFICATES_IMPORT)
            .body(schema::<bodies::ImportParameters>),
        Route::new(Method::GET, version, "CertificateGet", read, Read, certificates::get)
            .permission(P::CERTIFICATES_GET),
        Route::new(Method::PATCH, version, "CertificateUpdate", update, Write, certificates::update)
            .permission(P::CERTIFICATES_UPDATE)
            .body(schema::<bodies::UpdateParameters>),
        Route::new(Method::GET, "/certificates", "CertificateList", read, Read, certificates::list)
            .permission(P::CERTIFICATES_LIST),
        Route::new(Method::GET, versions, "CertificateListVersions", read, Read, certificates::list_versions)
            .permission(P::CERTIFICATES_LIST),
        Route::new(Method::GET, policy, "CertificatePolicyGet", read, Read, certificates::get_policy)
            .permission(P::CERTIFICATES_GET),
        Route::new(Method::PATCH, policy, "CertificatePolicySet", update, Write, certificates::update_policy)
            .permission(P::CERTIFICATES_UPDATE)
            .body(schema::<bodies::GivenPolicy>),
        Route::new(Method::GET, pending, "CertificatePendingGet", read, Short, operation::get)
            .permission(P::CERTIFICATES_GET),
        Route::new(Method::PATCH, pending, "CertificatePendingUpdate", update, Write, operation::cancel)
            .permission(P::CERTIFICATES_UPDATE)
            .body(schema::<bodies::OperationUpdateParameters>),
        Route::new(Method::DELETE, pending, "CertificatePendingDelete", update, Write, operation::delete)
            .permission(P::CERTIFICATES_UPDATE),
        Route::new(Method::POST, merge, "CertificatePendingMerge", A::CERTIFICATES_CREATE, Write, certificates::merge)
            .permission(P::CERTIFICATES_CREATE)
            .status(201)
            .body(schema::<bodies::MergeParameters>),
        Route::new(
            Method::POST,
            backup,
            "CertificateBackup",
            A::CERTIFICATES_BACKUP,
            Write,
            blob::back_up::<Certificates>,
        )
        .permission(P::CERTIFICATES_BACKUP),
        Route::new(
            Method::POST,
            restore,
            "CertificateRestore",
            A::CERTIFICATES_RESTORE,
            Write,
            blob::restore::<Certificates>,
        )
        .permission(P::CERTIFICATES_RESTORE)
        .body(schema::<blob::RestoreParameters>)
        .max_body(blob::RESTORE_BODY),
        Route::new(
            Method::DELETE,
            one,
            "CertificateDelete",
            A::CERTIFICATES_DELETE,
            Write,
            deleted::delete::<Certificates>,
        )
        .permission(P::CERTIFICATES_DELETE),
    ]
}

fn kept() -> Vec<Route> {
    let one = "/deletedcertificates/{name}";
    let recover = "/deletedcertificates/{name}/recover";
    let read = A::CERTIFICATES_READ;
    vec![
        Route::new(
            Method::GET,
            "/deletedcertificates",
            "CertificateListDeleted",
            read,
            Read,
            deleted::list::<Certificates>,
        )
        .permission(P::CERTIFICATES_LIST),
        Route::new(Method::GET, one, "CertificateGetDeleted", read, Read, deleted::get::<Certificates>)
            .permission(P::CERTIFICATES_GET),
        Route::new(
            Method::POST,
            recover,
            "CertificateRecover",
            A::CERTIFICATES_RECOVER,
            Write,
            deleted::recover::<Certificates>,
        )
        .permission(P::CERTIFICATES_RECOVER),
        Route::new(
            Method::DELETE,
            one,
            "CertificatePurge",
            A::CERTIFICATES_PURGE,
            Write,
            deleted::purge::<Certificates>,
        )
        .permission(P::CERTIFICATES_PURGE)
        .status(204),
    ]
}
