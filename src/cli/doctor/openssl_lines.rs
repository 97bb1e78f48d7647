//! What OpenSSL's configuration must say to load the module: a whole file, or what is to be added to one that is there
//! without taking anything from it.

use std::path::Path;

use super::openssl_conf::{Conf, Setting};
use super::shell;

/// What OpenSSL has for PKCS#11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bridge {
    /// libp11's engine.
    Engine,
    /// pkcs11-provider.
    Provider,
}

/// An edit of one line, and lines for the end of the file.
pub(super) struct Addition {
    pub edit: String,
    pub lines: Vec<String>,
}

impl Bridge {
    /// In a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine pkcs11",
            Self::Provider => "provider pkcs11",
        }
    }

    /// The setting that names the list of what is loaded.
    fn list(self) -> &'static str {
        match self {
            Self::Engine => "engines",
            Self::Provider => "providers",
        }
    }

    fn settings(self, module: &Path) -> Vec<String> {
        let module = module.display();
        match self {
            Self::Engine => {
                vec!["engine_id = pkcs11".into(), format!("MODULE_PATH = {module}"), "init = 1".into()]
            }
            Self::Provider => vec![format!("pkcs11-module-path = {module}"), "activate = 1".into()],
        }
    }

    /// The list itself, with the section that it leads to. A list of providers turns the default one off that isn't in
    /// it.
    fn list_with_section(self, list: &str, section: &str, module: &Path) -> Vec<String> {
        let mut lines = vec![format!("[{list}]"), format!("pkcs11 = {section}")];
        if self == Self::Provider {
            lines.push("default = default_provider".into());
            lines.extend(["[default_provider]".into(), "activate = 1".into()]);
        }
        lines.push(format!("[{section}]"));
        lines.extend(self.settings(module));
        lines
    }

    /// Whether a configuration loads it.
    pub(super) fn is_loaded_by(self, conf: &Conf) -> bool {
        match self {
            Self::Engine => conf.engine().is_some(),
            Self::Provider => conf.provider().is_some(),
        }
    }

    /// A whole file.
    pub(super) fn whole(self, module: &Path) -> Vec<String> {
        let list = self.list();
        let mut lines: Vec<String> = vec!["openssl_conf = init".into(), "[init]".into(), format!("{list} = {list}")];
        lines.extend(self.list_with_section(list, "pkcs11", module));
        lines
    }

    /// What is to be added to `file`; `None` where that is in a file that it includes.
    pub(super) fn addition(self, conf: &Conf, file: &Path, module: &Path) -> Option<Addition> {
        let own = |setting: &&Setting| setting.file == file;
        let (list, section) = (format!("strongroom_{}", self.list()), "strongroom_pkcs11");
        // sed has no line to work on.
        if std::fs::metadata(file).is_ok_and(|metadata| metadata.len() == 0) {
            return Some(Addition { edit: String::new(), lines: self.whole(module) });
        }
        let Some(start) = conf.start() else {
            // None, or one that leads nowhere and would win over a line above it.
            let line = "openssl_conf = strongroom_init";
            let edit = match conf.get("default", "openssl_conf") {
                Some(wrong) => shell::change(Some(wrong).filter(own)?.line, line),
                None => shell::insert(1, line),
            };
            let mut lines = vec![String::new(), "[strongroom_init]".into(), format!("{} = {list}", self.list())];
            lines.extend(self.list_with_section(&list, section, module));
            return Some(Addition { edit, lines });
        };
        // An empty line first: the file may end without a line's end.
        let mut lines = vec![String::new()];
        let Some(old) = conf.get(&start.value, self.list()) else {
            let place = conf.last_of(&start.value).filter(own)?;
            lines.extend(self.list_with_section(&list, section, module));
            return Some(Addition { edit: shell::append(place.line, &format!("{} = {list}", self.list())), lines });
        };
        let place = conf.last_of(&old.value).filter(own)?;
        lines.push(format!("[{section}]"));
        lines.extend(self.settings(module));
        Some(Addition { edit: shell::append(place.line, &format!("pkcs11 = {section}")), lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file after the addition, done as the command does it.
    fn added(text: &str, bridge: Bridge) -> Conf {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("openssl.cnf");
        std::fs::write(&file, text).unwrap();
        let conf = Conf::read(&file).unwrap();
        let addition = bridge.addition(&conf, &file, Path::new("/lib/x.so")).unwrap();
        let sed = std::process::Command::new("sed").args(["-i", &addition.edit]).arg(&file).status().unwrap();
        assert!(sed.success());
        let text = std::fs::read_to_string(&file).unwrap() + &addition.lines.join("\n");
        std::fs::write(&file, &text).unwrap();
        Conf::read(&file).unwrap()
    }

    #[test]
    fn an_addition_loads_the_module_and_keeps_what_was_there() {
        let files = [
            "",
            "[a]\nb = c",
            "openssl_conf = gone\n",
            "openssl_conf = s\n[s]\nssl_conf = t\n[t]\nx = y",
            "openssl_conf = s\n[s]\nengines = e\nproviders = p\n[e]\nz = z\n[p]\ndefault = d\n[d]\nactivate = 1\n",
        ];
        for text in files {
            let conf = added(text, Bridge::Engine);
            let section = conf.engine().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(conf.get(&section, "MODULE_PATH").unwrap().value.as_str(), "/lib/x.so");
            let conf = added(text, Bridge::Provider);
            let section = conf.provider().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(conf.get(&section, "activate").unwrap().value.as_str(), "1");
        }
        let conf = added(files[3], Bridge::Engine);
        assert_eq!(conf.get("s", "ssl_conf").unwrap().value.as_str(), "t");
    }

    #[test]
    fn a_whole_file_loads_the_module() {
        for bridge in [Bridge::Engine, Bridge::Provider] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("openssl.cnf");
            std::fs::write(&file, bridge.whole(Path::new("/lib/x.so")).join("\n")).unwrap();
            let conf = Conf::read(&file).unwrap();
            assert!(conf.engine().is_some() == (bridge == Bridge::Engine));
            assert!(conf.provider().is_some() == (bridge == Bridge::Provider));
        }
    }
}
