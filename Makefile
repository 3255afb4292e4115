# Every job a user runs. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS ?=
PRESET ?=
OUT ?=
# Users' texts reach the shell as variables, never as code.
export VIDEOS OUT DATASET KEY PRESET GATE PORT RUN MODE TEXT VIDEO MOTION MOTION_FPS
pip_index = $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
flags = $(if $(PRESET),--preset "$$PRESET") $(foreach s,$(SET),--set "$(s)") $(if $(EXECUTOR),--executor $(EXECUTOR)) \
	$(if $(WORKERS),--workers $(WORKERS)) $(if $(ADDRESS),--address $(ADDRESS))
comma := ,
asks = $(filter $(1) all,$(subst $(comma), ,$(EXTRAS)))
# Their own requirements hold chumpy, which doesn't build, and OpenCV builds that overwrite the headless one; what they
# truly need is in pyproject.toml. xtcocotools' wheels are for numpy 1, so it is compiled: that takes a C compiler.
NO_DEPS = $(if $(call asks,mmpose),mmengine==0.10.7 mmcv-lite==2.1.0 mmpose==1.3.2) $(if $(call asks,rtmlib),rtmlib==0.0.16)
no_mmpose = { echo 'humove: the extra mmpose needs Python 3.11 or 3.12: leave mmpose and all out of EXTRAS' >&2; exit 2; }
need = @test -n "$$$(1)" || { echo 'humove: $(1) is missing: make $@ $(2)' >&2; exit 2; }

.PHONY: help setup demo test lint bench dataset reselect verify report view inspect train generate

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(BIN)/humove  ## the environment, in .venv; EXTRAS=yolo,mmpose|all adds extras, TORCH_INDEX=URL takes torch from there
	$(if $(call asks,mmpose),@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || $(no_mmpose))
	$(if $(EXTRAS),$(BIN)/pip install --quiet $(pip_index) -e ".[$(EXTRAS)]")
	$(if $(strip $(NO_DEPS)),$(BIN)/pip install --quiet --no-deps $(NO_DEPS))
	$(if $(call asks,mmpose),$(BIN)/pip install --quiet --no-deps --no-binary xtcocotools --no-build-isolation xtcocotools==1.14.3)

$(BIN)/humove: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet $(pip_index) -e .
	$(BIN)/humove weights get
	@touch $@

demo: $(BIN)/humove  ## set up, make sample videos, build, verify, report: the whole job on a fresh machine
	$(BIN)/humove demo $(if $(OUT),"$$OUT",out/demo)

dataset: $(BIN)/humove  ## VIDEOS=folder|glob|manifest OUT=out/x [PRESET=local] [SET="k=v ..."] [EXECUTOR=ray|local] [ADDRESS=...]
	$(call need,VIDEOS,VIDEOS=my_videos OUT=out/mine)
	$(call need,OUT,VIDEOS=my_videos OUT=out/mine)
	$(BIN)/humove build "$$VIDEOS" "$$OUT" $(flags)

reselect: $(BIN)/humove  ## DATASET=out/x OUT=out/y SET="...": other thresholds, from what x has measured
	$(call need,DATASET,DATASET=out/mine OUT=out/strict)
	$(call need,OUT,DATASET=out/mine OUT=out/strict)
	$(BIN)/humove reselect "$$DATASET" "$$OUT" $(flags)

verify: $(BIN)/humove  ## DATASET=out/x: proves the data set against its format
	$(call need,DATASET,DATASET=out/mine)
	$(BIN)/humove verify "$$DATASET"

report: $(BIN)/humove  ## DATASET=out/x [GATE=gates.yaml]: report/index.html, to look at and send on, and report/report.json
	$(call need,DATASET,DATASET=out/mine)
	$(BIN)/humove report "$$DATASET" $(if $(GATE),--gate "$$GATE")

view: $(BIN)/humove  ## DATASET=out/x [PORT=8710]: the explorer of every clip, kept or dropped; RUN=out/run: of a training run
	@test -n "$$DATASET$$RUN" || { echo 'humove: DATASET is missing: make view DATASET=out/mine' >&2; exit 2; }
	$(BIN)/humove view "$${DATASET:-$$RUN}" $(if $(PORT),--port "$$PORT")

train: $(BIN)/humove  ## DATASET=out/x OUT=out/run [PRESET=tiny] [SET="k=v ..."] [MOTIONS=out/amass,...] [ADDRESS=auto]: trains EchoMotion; MOTIONS: sets of motion alone, by import-motion
	$(call need,DATASET,DATASET=out/demo OUT=out/run)
	$(call need,OUT,DATASET=out/demo OUT=out/run)
	$(BIN)/pip install --quiet $(pip_index) -e ".[train]"
	$(BIN)/humove train "$$DATASET" "$$OUT" $(flags) $(foreach m,$(subst $(comma), ,$(MOTIONS)),--motion-only "$(m)")

generate: $(BIN)/humove  ## RUN=out/run MODE=joint|motion-to-video|video-to-motion [TEXT=...] [VIDEO=...] [MOTION=... MOTION_FPS=...] [DATASET=... KEY=...] [OUT=...]
	$(call need,RUN,RUN=out/run MODE=joint TEXT="a person waves")
	$(call need,MODE,RUN=out/run MODE=joint TEXT="a person waves")
	$(BIN)/humove generate "$$RUN" "$$MODE" $(foreach n,OUT TEXT VIDEO MOTION MOTION_FPS DATASET KEY,$(if $($(n)),--$(shell echo $(n) | tr A-Z_ a-z-) "$$$(n)"))

inspect: $(BIN)/humove  ## DATASET=out/x KEY=...: the body drawn over the person, as a video and a strip, in out/inspect
	$(call need,DATASET,DATASET=out/mine KEY=...)
	$(call need,KEY,DATASET=out/mine KEY=...)
	$(BIN)/humove inspect "$$DATASET" "$$KEY"

bench: $(BIN)/humove  ## CPU seconds per second of kept video, by kernel; [VIDEOS=...]
	$(BIN)/humove bench $(if $(VIDEOS),"$$VIDEOS")

test: $(BIN)/humove  ## set up and run every test
	$(BIN)/pip install --quiet $(pip_index) -e ".[dev]"
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(BIN)/humove  ## style and imports
	$(BIN)/pip install --quiet $(pip_index) -e ".[dev]"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
