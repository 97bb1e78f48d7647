//! nginx's own configuration.

use super::{Area, Check, Level};

pub(super) const CHECKS: &[Check] = &[
    fault(
        "nginx-config",
        "nginx's configuration can be read",
        &["open() \"…\" failed (2: No such file or directory)", "unexpected end of file", "unexpected \"}\""],
        "nginx's configuration can't be read: {file}: {problem}.",
        &["nginx -t -c {config}"],
    ),
    fault(
        "nginx-engine",
        "OpenSSL loads what nginx's keys need",
        &["ENGINE_load_private_key() failed … engine routines::not initialised"],
        "{file}, line {line}, asks for OpenSSL's {what}, which {conf} doesn't load.",
        &[
            "sed -i {edit} {conf} && printf '%s\\n' {lines} >> {conf}",
            "printf '%s\\n' {lines} > {new-conf} && printf '%s\\n' {service} | install -D -m 644 /dev/stdin {unit} && \
             systemctl daemon-reload",
            "printf '%s\\n' {service} | install -D -m 644 /dev/stdin {unit} && systemctl daemon-reload",
        ],
    ),
    fault(
        "nginx-store",
        "nginx and OpenSSL are new enough for `store:`",
        &["cannot load certificate key \"…store:pkcs11:…\": BIO_new_file() failed"],
        "{file}, line {line}: `store:` needs nginx 1.29 and OpenSSL 3, and this is {version}: use `engine:pkcs11:`.",
        &["sed -i {edit} {file}"],
    ),
    fault(
        "nginx-uri",
        "every key's URI is well-formed",
        &[
            "pkcs11 engine::invalid id",
            "ENGINE_by_id() failed … could not load the shared library",
            "unknown directive \"object=…\"",
            "cannot load certificate key \"…pkcs11:…\": BIO_new_file() failed",
        ],
        "{file}, line {line}: {problem}.",
        &["sed -i {edit} {file}", "strongroom pkcs11 uri --type private"],
    ),
    fault(
        "nginx-uri-token",
        "every URI names a vault that is there",
        &["pkcs11 engine::object not found", "Multiple matching slots"],
        "{file}, line {line}: {problem}; there {are} {known}.",
        &["sed -i {edit} {file}", "strongroom pkcs11 uri --type private"],
    ),
    fault(
        "nginx-uri-object",
        "every URI names a key that is there",
        &["The private key was not found at: …", "pkcs11 engine::object not found"],
        "{file}, line {line}: the vault {vault} has no private key with {what}.",
        &[
            "sed -i {edit} {file}",
            "strongroom --vault {vault} restore {backup} --object {object} --kind key",
            "strongroom --vault {vault} pkcs11 uri --type private",
        ],
    ),
    fault(
        "nginx-uri-ambiguous",
        "every URI names one key",
        &["key values mismatch", "(nginx takes another key than before, or none)"],
        "{file}, line {line}: several private keys of {vault} have the label {label}: {keys}. Which one nginx takes is \
         chance, and only `id=` tells them apart. (Change no certificate for it: what the command prints goes into the \
         URI. A key that came by mistake goes with `strongroom key delete`.)",
        &["sed -i {edit} {file}", "strongroom --vault {vault} pkcs11 uri --type private"],
    ),
    fault(
        "nginx-uri-version",
        "every id in a URI is a current version's",
        &["The private key was not found at: …", "pkcs11 engine::object not found"],
        "{file}, line {line}: the `id` in the URI is of a version of {key} that isn't the current one, and {why}.",
        &["sed -i {edit} {file}", "${EDITOR:-vi} +{line} {file}"],
    ),
    fault(
        "nginx-uri-type",
        "every URI asks for a private key",
        &["pkcs11 engine::object not found"],
        "{file}, line {line}: the URI asks for type={type}; a server's key is type=private.",
        &["sed -i {edit} {file}"],
    ),
    fault(
        "nginx-key-hidden",
        "`objects` lets nginx's keys through",
        &["pkcs11 engine::object not found"],
        "{file}, line {line}, names the key {key}, which `objects` of the vault {vault} hides.",
        &["sed -i {edit} {config}", "${EDITOR:-vi} {config}"],
    ),
    fault(
        "nginx-key-disabled",
        "nginx's keys are enabled",
        &["pkcs11 engine::object not found", "key values mismatch"],
        "{file}, line {line}, names the key {key}, whose version {version} is disabled.",
        &["strongroom --vault {vault} key enable {key} --version {version}"],
    ),
    fault(
        "nginx-key-expired",
        "nginx's keys are valid now",
        &["the key expired at …", "(nginx starts, and no handshake succeeds)"],
        "{file}, line {line}, names the key {key}, which is {state}: it doesn't sign.",
        &["strongroom --vault {vault} key rotate {key}", "strongroom --vault {vault} key show {key}"],
    ),
    fault(
        "nginx-pin-missing",
        "nginx has the PIN",
        &["Enter PKCS#11 token PIN for …:", "No PIN code was entered"],
        "Nothing gives nginx the PIN of {vault}: no `pin_file` in the configuration, none in the URI, none in OpenSSL's \
         configuration. (The command reads it from the keyboard: type it and Enter.)",
        &[
            typed_in_folder!("{pin-file}", " && sed -i {edit} {config}"),
            typed_in_folder!("{pin-file}", " && printf '%s\\n' {lines} >> {config}"),
        ],
    ),
    fault(
        "nginx-pin-source",
        "the file that a URI names as `pin-source` can be read",
        &["Could not open file …"],
        "{file}, line {line}: the PIN's file {pin-file} isn't there or is empty. (The command reads it from the keyboard: \
         type it and Enter.)",
        &[typed_bare!("{pin-file}")],
    ),
    fault(
        "nginx-pin-line-end",
        "the file that a URI names as `pin-source` holds the PIN alone",
        &["PKCS#11 module::PIN incorrect", "Login failed"],
        "{file}, line {line}: the PIN's file {pin-file} ends with a line's end, which libp11 takes for a part of the PIN.",
        &["truncate -s {size} {pin-file}"],
    ),
    fault(
        "nginx-pin-wrong",
        "the PIN that a URI gives is right",
        &["PKCS#11 module::PIN incorrect"],
        "{file}, line {line}: the PIN in the URI isn't that of {vault}.",
        &["sed -i {edit} {file}", typed_bare!("{pin-file}"), "${EDITOR:-vi} +{line} {file}"],
    ),
    warning(
        "nginx-pin-in-uri",
        "no PIN stands in nginx's configuration",
        &[],
        "{file}, line {line}, holds a PIN and others may read it.",
        &["chmod go= {file}"],
    ),
    fault(
        "nginx-certificate",
        "every certificate's file can be read",
        &["cannot load certificate \"…\": BIO_new_file() failed", "PEM_read_bio_X509_AUX() failed"],
        "{file}, line {line}: {certificate-file} {problem}.",
        RENEWALS,
    ),
    fault(
        "nginx-certificate-stale",
        "every certificate belongs to its key",
        &["SSL_CTX_use_PrivateKey(\"…\") failed … key values mismatch"],
        "{certificate-file} isn't for the key {key} that {file}, line {line}, names. {ca}",
        RENEWALS,
    ),
    fault(
        "nginx-certificate-expired",
        "every certificate is valid now",
        &["certificate has expired", "certificate is not yet valid"],
        "{certificate-file} {problem}.",
        RENEWALS,
    ),
    warning(
        "nginx-certificate-expires-soon",
        "no certificate expires within two weeks",
        &[],
        "{certificate-file} {problem}.",
        RENEWALS,
    ),
    fault(
        "nginx-certificate-order",
        "every chain is in order",
        &["key values mismatch", "unable to get local issuer certificate"],
        "The certificates in {certificate-file} are in a wrong order: the server's comes first, then each one's issuer.",
        &["{ {parts} } > {new-file} && cat {new-file} > {certificate-file} && rm {new-file}"],
    ),
    warning(
        "nginx-environment",
        "nginx hands on the variables that name the vault",
        &["(after a live upgrade of nginx: engine routines::not initialised)"],
        "{variable} is set for nginx, and a live upgrade of its program loses it: {file} has no `env {variable};`.",
        &["sed -i {edit} {file}"],
    ),
    fault(
        "nginx-user",
        "the workers' user exists",
        &["getpwnam(\"…\") failed"],
        "{file}: nginx's workers are to run as {user}, and there is no such user.",
        &["sed -i {edit} {file}", "adduser --system --group {user}"],
    ),
    fault(
        "nginx-user-root",
        "nginx's workers don't run as root",
        &[],
        "{file}, line {line}: nginx's workers run as root: who takes one over has the whole vault.",
        &["sed -i {edit} {file}"],
    ),
    fault(
        "nginx-worker-reaches-vault",
        "nginx's workers can't open the vault",
        &[],
        "{user}, as whom nginx's workers run, may open {file}: who takes a worker over has the whole vault.",
        &["chown -R root {owned} && chmod -R go= {owned}", "chmod -R go= {directory}"],
    ),
    fault(
        "nginx-worker-reaches-pin",
        "nginx's workers can't read the PIN",
        &[],
        "{user}, as whom nginx's workers run, may read the PIN in {file}.",
        &["chown root {file} && chmod go= {file}"],
    ),
    warning(
        "nginx-core-dumps",
        "nginx's workers write no core dumps",
        &[],
        "{file}, line {line}: `worker_rlimit_core` lets workers write core dumps, and keys in use lie in their memory.",
        &["sed -i {edit} {file}"],
    ),
];

/// Out of the vault where it lies there; made anew where it signs itself; else the request for the CA. What is there
/// stays beside the new one. Where the vault's certificate is for another site than the file's, the URI may be what is
/// wrong, and its keys are shown.
const RENEWALS: &[&str] = &[
    "{keep} strongroom --vault {vault} cert show {certificate} --version {version} --out {certificate-file}",
    "{keep} strongroom --vault {vault} cert create {certificate} {renew} --key {key} --subject {subject} {san} --out \
     {certificate-file}",
    "strongroom --vault {vault} cert csr {key} --subject {subject} {san} --out {request}",
    "strongroom --vault {vault} pkcs11 uri --type private",
];

const fn fault(
    id: &'static str,
    holds: &'static str,
    symptoms: &'static [&'static str],
    finding: &'static str,
    remedies: &'static [&'static str],
) -> Check {
    Check { id, area: Area::Nginx, level: Level::Fault, holds, symptoms, finding, remedies }
}

const fn warning(
    id: &'static str,
    holds: &'static str,
    symptoms: &'static [&'static str],
    finding: &'static str,
    remedies: &'static [&'static str],
) -> Check {
    Check { id, area: Area::Nginx, level: Level::Warning, holds, symptoms, finding, remedies }
}
