#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/deps: which entries of the system it takes over, and what it says without a network. The
# system's apt folder is faked; the network is a proxy at a port where nobody listens.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

export X100_CACHE=$scratch/cache X100_ETC_APT=$scratch/etc
export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9
codename=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)
list=$X100_CACHE/apt/x100.list
lists=$X100_ETC_APT/sources.list.d
mkdir -p "$lists"

# deps_with: runs deps on the faked folder, which leaves its private list
deps_with() {
	rm -rf "$X100_CACHE"
	"$TOP/scripts/deps" --sources musl >"$scratch/out" 2>&1
}

cat >"$X100_ETC_APT/sources.list" <<END
# deb http://commented.example/debian $codename main
deb http://deb.debian.org/debian $codename main contrib # a remark
deb [arch=amd64 signed-by=/a/key.gpg] http://security.debian.org/debian-security $codename-security main
deb cdrom:[Debian]/ $codename main
deb https://download.docker.com/linux/debian $codename stable
deb http://deb.debian.org/debian $codename-backports main
END
cat >"$lists/mirror.sources" <<END
Types: deb deb-src
# a remark inside
URIs: http://deb822.example/debian
Suites: $codename $codename-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBFit

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: $codename
Components: main

Types: deb
URIs: https://apt.example.com
Suites: $codename
Components: main
Signed-By: /usr/share/keyrings/example.gpg
END
printf 'Types: deb\nURIs: http://no-newline.example/debian/\nSuites: %s\nComponents: main' \
	"$codename" >"$lists/no-newline.sources"
deps_with
check "no network is an error" [ $? = 1 ]
check "no network is said in a sentence" says "no network: apt cannot reach the Debian archive" "$scratch/out"
check "what is missing is listed" says "musl" "$scratch/out"
check "a one-line entry becomes a source entry" says "deb-src http://deb.debian.org/debian $codename main" "$list"
check "options of a one-line entry stay" \
	says "deb-src [arch=amd64 signed-by=/a/key.gpg] http://security.debian.org/debian-security" "$list"
check "a deb822 entry gives one line per suite" \
	says "deb-src http://deb822.example/debian $codename-updates main" "$list"
check "a file without a newline at its end counts" says "no-newline.example" "$list"
for unwanted in commented.example cdrom docker backports disabled.example apt.example.com; do
	check "not taken over: $unwanted" fails grep -q "$unwanted" "$list"
done
check "the faked apt folder is unchanged" [ "$(find "$X100_ETC_APT" -newer "$list" | wc -l)" = 0 ]

rm -rf "$X100_ETC_APT"
mkdir -p "$lists"
deps_with
check "no Debian entries is an error" [ $? = 1 ]
check "no Debian entries is said in a sentence" says "no Debian entries found" "$scratch/out"

# A copy with a table of its own: a package that cannot be there. id and sudo are faked.
mkdir -p "$scratch/scripts" "$scratch/bin"
cp "$TOP"/scripts/{deps,lib.sh} "$scratch/scripts"
echo "bin x100-no-such-package 1 - nothing" >"$scratch/scripts/packages"
printf '#!/bin/sh\necho 1000\n' >"$scratch/bin/id"
printf '#!/bin/sh\nexit 1\n' >"$scratch/bin/sudo"
chmod +x "$scratch"/bin/*
PATH=$scratch/bin:$PATH "$scratch/scripts/deps" >"$scratch/out" 2>&1 </dev/null
check "an ordinary user who may not sudo is an error" [ $? = 1 ]
check "and is told what to run as root" \
	says "apt-get install -y --no-install-recommends x100-no-such-package" "$scratch/out"
# shellcheck disable=SC2016 # expanded by the fake
printf '#!/bin/sh\necho "sudo $*" >>%s/sudo.log\n' "$scratch" >"$scratch/bin/sudo"
PATH=$scratch/bin:$PATH "$scratch/scripts/deps" >"$scratch/out" 2>&1 </dev/null
check "a package that stays missing is an error" [ $? = 1 ]
check "it is listed" says "  x100-no-such-package" "$scratch/out"
check "sudo is used where it asks for nothing" \
	says "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get -qq -y" "$scratch/sudo.log"

check "a source that is not there is said by pkgsrc" fails "$TOP/scripts/pkgsrc" musl 2>"$scratch/out"
check "with what to do" says "make deps" "$scratch/out"
check "an unknown source is refused by pkgsrc" fails "$TOP/scripts/pkgsrc" nonsense 2>/dev/null
