//! OpenSSL's configuration file: sections, settings, includes; and what it loads for PKCS#11.
//!
//! Of config(5) what such files use: `[section]`, `name = value`, comments, `.include`, continued lines. Variables in
//! values stay as they are.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::file;

/// Every setting of a file and of those that it includes, in order.
#[derive(Default)]
pub(super) struct Conf {
    settings: Vec<Setting>,
}

/// One `name = value`; the value may be a PIN.
pub(super) struct Setting {
    pub file: PathBuf,
    pub line: usize,
    section: String,
    pub name: String,
    pub value: Zeroizing<String>,
}

/// How deep files include each other at most.
const DEPTH: u8 = 8;

impl Conf {
    /// `None` if the file can't be read.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let mut conf = Self::default();
        let mut section = String::from("default");
        conf.read_into(path, &mut section, DEPTH)?;
        Some(conf)
    }

    fn read_into(&mut self, path: &Path, section: &mut String, depth: u8) -> Option<()> {
        let text = file::text(path).ok()?;
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                *section = name.trim().to_owned();
            } else if let Some(included) = line.strip_prefix(".include").filter(|_| depth > 0) {
                let included = included.trim_start_matches([' ', '\t', '=']).trim();
                let place = path.parent().unwrap_or(Path::new("/")).join(included);
                let files = if place.is_dir() { file::files_in(&place) } else { vec![place] };
                for file in files {
                    // One that can't be read stops OpenSSL no more than us.
                    let _ = self.read_into(&file, section, depth - 1);
                }
            } else if let Some((name, value)) = line.split_once('=') {
                let value = Zeroizing::new(value.trim().trim_matches('"').to_owned());
                let (file, name) = (path.to_owned(), name.trim().to_owned());
                self.settings.push(Setting { file, line: index + 1, section: section.clone(), name, value });
            }
        }
        Some(())
    }

    /// The last setting of this name in a section: OpenSSL takes that one.
    pub(super) fn get(&self, section: &str, name: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.section == section && setting.name == name)
    }

    pub(super) fn section(&self, section: &str) -> impl Iterator<Item = &Setting> {
        self.settings.iter().filter(move |setting| setting.section == section)
    }

    /// What programs load at their start: the section that `openssl_conf` names.
    pub(super) fn start(&self) -> Option<&Setting> {
        self.get("default", "openssl_conf").filter(|setting| self.section(&setting.value).next().is_some())
    }

    /// The section of the engine `pkcs11`, if the file loads it.
    pub(super) fn engine(&self) -> Option<String> {
        let engines = self.get(&self.start()?.value, "engines")?;
        let is_ours = |entry: &&Setting| {
            let id = self.get(&entry.value, "engine_id").map_or(entry.name.as_str(), |id| id.value.as_str());
            id == "pkcs11"
        };
        self.section(&engines.value).find(is_ours).map(|entry| entry.value.to_string())
    }

    /// The section of the provider `pkcs11`, if the file loads it.
    pub(super) fn provider(&self) -> Option<String> {
        let providers = self.get(&self.start()?.value, "providers")?;
        self.section(&providers.value)
            .find(|entry| entry.name.starts_with("pkcs11"))
            .map(|entry| entry.value.to_string())
    }

    /// A line of the section after which another can be put.
    pub(super) fn last_of(&self, section: &str) -> Option<&Setting> {
        self.section(section).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(text: &str, more: &str) -> Conf {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("more.cnf"), more).unwrap();
        std::fs::write(folder.path().join("openssl.cnf"), text).unwrap();
        Conf::read(&folder.path().join("openssl.cnf")).unwrap()
    }

    #[test]
    fn the_engines_section_is_found_through_the_sections_before_it() {
        let text = "openssl_conf = a # start\n[a]\nengines=b\n.include more.cnf\n[ b ]\nany = c\n";
        let conf = conf(text, "[c]\nengine_id = pkcs11\nMODULE_PATH = \"/lib/x.so\"\n");
        assert_eq!(conf.engine().as_deref(), Some("c"));
        let path = conf.get("c", "MODULE_PATH").unwrap();
        assert_eq!((path.value.as_str(), path.line), ("/lib/x.so", 3));
        assert!(path.file.ends_with("more.cnf") && conf.provider().is_none());
    }

    #[test]
    fn what_no_start_leads_to_is_not_loaded() {
        assert!(conf("[b]\npkcs11 = c\n[c]\nengine_id = pkcs11\n", "").engine().is_none());
        assert!(conf("openssl_conf = a\n[b]\npkcs11 = c\n", "").start().is_none());
        let text = "openssl_conf = a\n[a]\nproviders = p\n[p]\ndefault = d\npkcs11 = s\n[s]\nactivate = 1\n";
        assert_eq!(conf(text, "").provider().as_deref(), Some("s"));
    }
}
