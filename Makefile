# Every target sets up what it needs. Paths are relative, so the checkout may lie anywhere.
NNI2 := .venv
NNI3 := .venv-nni3
PYTEST := -m pytest -q

.PHONY: help demo demo-daily test test-nni3 check lint types prove fuzz bench bench-stopping bench-racing bench-tuners bench-warm bench-daily clean
help:
	@echo "make demo            tune a real trainer, start to end, in about three minutes"
	@echo "make demo-daily      finetune a recommender over eight days, in about two minutes"
	@echo "make test            all tests, on NNI 2.10.1"
	@echo "make test-nni3       the tests that drive NNI, on NNI 3.0"
	@echo "make check           lint, types, and all tests with branch coverage"
	@echo "make prove           what takes minutes and proves much: every path, every crash point"
	@echo "make fuzz            damaged files by the thousand, for every reader"
	@echo "make bench-stopping  what early stopping saves and loses, beside the peers (hours)"
	@echo "make bench-racing    what racing over days saves and loses, beside ASHA and the full sweep"
	@echo "make bench-tuners    the tuners beside theirs (hours; FLAGS=--quick: some minutes)"
	@echo "make bench-warm      sweeps that start from earlier ones, beside cold ones (half an hour)"
	@echo "make bench-daily     how often hpo-nni daily says ship (minutes)"
	@echo "make bench           measure what the documents claim, beside the peers"

$(NNI2)/.ready: requirements/nni2.txt pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh $(NNI2) requirements/nni2.txt && touch $@
$(NNI2)/.ready-dev: $(NNI2)/.ready requirements/dev.txt
	@sh scripts/venv.sh $(NNI2) requirements/dev.txt && touch $@
$(NNI3)/.ready-dev: requirements/nni3.txt requirements/dev.txt pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh $(NNI3) requirements/nni3.txt requirements/dev.txt && touch $@

demo: $(NNI2)/.ready
	@$(NNI2)/bin/python -m hpo_nni.cli run examples/digits_local/begin/config.yml

demo-daily: $(NNI2)/.ready
	@echo "training the model of September, from which all trials go on ..."
	@cd examples/daily_local && ../../$(NNI2)/bin/python trainer/train.py --config pipeline.yaml \
		--first 20260901 --last 20260930 --out exp/base > /dev/null
	@$(NNI2)/bin/python -m hpo_nni.cli run examples/daily_local/finetune/config.yml $(FLAGS)

test: $(NNI2)/.ready-dev
	$(NNI2)/bin/python $(PYTEST)

test-nni3: $(NNI3)/.ready-dev
	$(NNI3)/bin/python $(PYTEST) -m nni

# The matrix of stops runs on both lines of NNI; its records are kept in the repository.
prove: $(NNI2)/.ready-dev $(NNI3)/.ready-dev
	$(NNI2)/bin/python $(PYTEST) -s -m prove
	mkdir -p docs/proofs
	rm -f docs/proofs/stop-matrix-*
	HPO_NNI_PROOFS=docs/proofs $(NNI2)/bin/python $(PYTEST) -m "nni or prove" tests/process/test_stop_matrix.py
	HPO_NNI_PROOFS=docs/proofs $(NNI3)/bin/python $(PYTEST) -m "nni or prove" tests/process/test_stop_matrix.py

lint: $(NNI2)/.ready-dev
	$(NNI2)/bin/ruff check .
	$(NNI2)/bin/ruff format --check .

types: $(NNI2)/.ready-dev
	$(NNI2)/bin/mypy

check: lint types
	$(NNI2)/bin/python $(PYTEST) --cov --cov-report=term

fuzz: $(NNI2)/.ready-dev
	HPO_NNI_FUZZ=2000 $(NNI2)/bin/python $(PYTEST) tests/fuzz

bench: $(NNI2)/.ready-dev
	$(NNI2)/bin/python benchmarks/run.py

bench-stopping: $(NNI2)/.ready-dev
	$(NNI2)/bin/python benchmarks/stopping/run.py

bench-racing: $(NNI2)/.ready-dev
	$(NNI2)/bin/python benchmarks/racing/run.py

bench-daily: $(NNI2)/.ready-dev
	$(NNI2)/bin/python benchmarks/daily/decide.py $(FLAGS)

# The peers have dependencies of their own, so they have an environment of their own.
build/bench-tuners/.ready: requirements/nni2.txt requirements/bench.txt pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh build/bench-tuners requirements/nni2.txt requirements/bench.txt && touch $@
bench-tuners: build/bench-tuners/.ready
	build/bench-tuners/bin/python benchmarks/tuners/speed.py
	build/bench-tuners/bin/python benchmarks/tuners/measure.py $(FLAGS)
	build/bench-tuners/bin/python benchmarks/tuners/front.py

bench-warm: $(NNI2)/.ready
	$(NNI2)/bin/python benchmarks/warm/measure.py

clean:
	rm -rf $(NNI2) $(NNI3)
