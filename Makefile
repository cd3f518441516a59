# SPDX-FileCopyrightText: 2026 The fossology-backup authors
# SPDX-License-Identifier: MIT OR Apache-2.0

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(TARGET_DIR)/release/fo_backup
# Python tools of `make lint` in an environment of their own: Debian's reuse is too old.
VENV := $(TARGET_DIR)/venv
# Executable files that start as a shell script does.
SCRIPTS = $$(find . \( -name .git -o -name target \) -prune -o -type f -perm -u+x \
	-exec sh -c 'head -n 1 "$$1" | grep -q "^\#!.*sh$$"' sh {} \; -print)

# rustup puts cargo here; a shell that was open before doesn't know yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Two apt at once would be in each other's way; cargo uses all cores by itself.
.NOTPARALLEL:
.PHONY: help build demo test torture lint advisories bench install deb clean toolchain tools

help: ## lists what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done
	@echo
	@echo "PREFIX=$(PREFIX) and DESTDIR say where 'make install' puts the program."

build: toolchain ## builds the program: target/release/fo_backup
	./mod_deps --buildtime -y
	$(CARGO) build --locked --release

demo: tools build ## shows a backup, a disaster and a restore, on a PostgreSQL of its own
	$(BINARY) demo

# Tests wait as often as they work, for PostgreSQL, for servers and for each other.
test: export RUST_TEST_THREADS ?= $(shell echo $$(($$(nproc) * 2)))
test: toolchain tools ## runs all tests
	tests/in_memory $(CARGO) test --locked
	FO_BACKUP_TEST_ENCRYPTED=1 tests/in_memory $(CARGO) test --locked --test end_to_end -- \
		backup:: restore:: restore_by_hand:: format:: kill:: --skip prune_kill::
	phpunit -c ui-plugin/tests/phpunit.xml

# Counts and seed: see tests/torture/run.
torture: toolchain tools ## cuts power, kills, breaks calls, flips bits, many times; prints what came of it
	CARGO="$(CARGO)" tests/torture/run

lint: toolchain tools $(VENV)/reuse-6.2.0 ## checks format, lints, scripts, licences
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path tests/s3-server/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	find ui-plugin -name '*.php' -print0 | xargs -0 -r -n 1 php -l >/dev/null
	phpcs --standard=ui-plugin/tests/phpcs.xml
	shellcheck $(SCRIPTS)
	$(VENV)/bin/reuse lint --lines
	@if command -v cargo-deny >/dev/null; then \
		set -x; $(CARGO) deny --locked check --hide-inclusion-graph licenses bans sources; \
	else \
		echo "cargo-deny is not installed: the dependencies' licences are left to CI"; \
	fi

advisories: toolchain ## asks the RustSec database about the dependencies (cargo-deny, network)
	$(CARGO) deny --locked check advisories

# BENCH="--help" shows its options; `make bench BENCH=--quick` is a first look.
bench: toolchain tools ## compares the speed with other tools, on generated data
	$(CARGO) bench --locked --bench peers -- $(BENCH)

# Builds nothing, so that `sudo make install` compiles nothing as root.
install: ## puts the program into $(DESTDIR)$(PREFIX)/bin, after `make build`
	@test -x $(BINARY) || { echo "$(BINARY) is not there: run 'make build' first" >&2; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/fo_backup
	$(BINARY) manual $(DESTDIR)$(PREFIX)/share/man/man1
	find ui-plugin -type f ! -path 'ui-plugin/tests/*' ! -name README.md \
		-exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/fossology-backup/{} \;

# Debian's packages of FOSSology have their modules in /usr/share/fossology. The program is put
# there as a link by Cargo.toml, [package.metadata.deb].
deb: build ## makes a Debian package: target/debian/*.deb (cargo-deb)
	@command -v cargo-deb >/dev/null || { echo "cargo-deb is not there: cargo install --locked cargo-deb" >&2; exit 1; }
	rm -rf target/package
	$(BINARY) -c /etc/fossology install --root target/package --moddir /usr/share/fossology --pages ui-plugin
	rm -r target/package/usr/share/fossology/backup/agent
	$(BINARY) manual target/package/usr/share/man/man1
	$(CARGO) deb --no-build --strip --locked

clean: toolchain ## removes all that was built
	$(CARGO) clean

toolchain:
	@.ci/toolchain

tools:
	./mod_deps --dev -y

# The version is in the file's name, so that a newer one is installed when this line says so.
$(VENV)/reuse-%: | tools
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(VENV)/bin/pip --quiet --disable-pip-version-check install reuse==$*
	touch $@
