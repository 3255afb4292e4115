# Common tasks. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS ?=
PRESET ?=
OUT ?=
# User input reaches the shell as variables, never as code.
export VIDEOS OUT DATASET KEY PRESET GATE PORT RUN MODE TEXT VIDEO MOTION MOTION_FPS
pip_index = $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
flags = $(if $(PRESET),--preset "$$PRESET") $(foreach s,$(SET),--set "$(s)") $(if $(EXECUTOR),--executor $(EXECUTOR)) \
	$(if $(WORKERS),--workers $(WORKERS)) $(if $(ADDRESS),--address $(ADDRESS))
comma := ,
asks = $(filter $(1) all,$(subst $(comma), ,$(EXTRAS)))
# Installed without their requirements, which include chumpy, which does not build, and OpenCV builds that overwrite the
# headless one; pyproject.toml lists what they need. xtcocotools has wheels for numpy 1 only, so it is compiled, which
# requires a C compiler.
NO_DEPS = $(if $(call asks,mmpose),mmengine==0.10.7 mmcv-lite==2.1.0 mmpose==1.3.2) $(if $(call asks,rtmlib),rtmlib==0.0.16)
no_mmpose = { echo 'humove: the extra mmpose needs Python 3.11 or 3.12: leave mmpose and all out of EXTRAS' >&2; exit 2; }
need = @test -n "$$$(1)" || { echo 'humove: $(1) is missing: make $@ $(2)' >&2; exit 2; }

.PHONY: help setup demo test lint bench dataset reselect verify report view inspect train generate

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(BIN)/humove  ## create .venv; [EXTRAS=yolo,mmpose|all] adds extras, [TORCH_INDEX=URL] is the index of torch
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

demo: $(BIN)/humove  ## set up, make sample videos, build, verify, report; [OUT=out/demo]
	$(BIN)/humove demo $(if $(OUT),"$$OUT",out/demo)

dataset: $(BIN)/humove  ## build a data set: VIDEOS=folder|glob|manifest OUT=out/x [PRESET=local] [SET="k=v ..."] [EXECUTOR=ray|local] [ADDRESS=...]
	$(call need,VIDEOS,VIDEOS=my_videos OUT=out/mine)
	$(call need,OUT,VIDEOS=my_videos OUT=out/mine)
	$(BIN)/humove build "$$VIDEOS" "$$OUT" $(flags)

reselect: $(BIN)/humove  ## build with other thresholds from existing measurements: DATASET=out/x OUT=out/y SET="k=v ..."
	$(call need,DATASET,DATASET=out/mine OUT=out/strict)
	$(call need,OUT,DATASET=out/mine OUT=out/strict)
	$(BIN)/humove reselect "$$DATASET" "$$OUT" $(flags)

verify: $(BIN)/humove  ## check a data set against its format: DATASET=out/x
	$(call need,DATASET,DATASET=out/mine)
	$(BIN)/humove verify "$$DATASET"

report: $(BIN)/humove  ## write report/index.html and report/report.json: DATASET=out/x [GATE=gates.yaml]
	$(call need,DATASET,DATASET=out/mine)
	$(BIN)/humove report "$$DATASET" $(if $(GATE),--gate "$$GATE")

view: $(BIN)/humove  ## serve the explorer of a data set or a training run: DATASET=out/x|RUN=out/run [PORT=8710]
	@test -n "$$DATASET$$RUN" || { echo 'humove: DATASET is missing: make view DATASET=out/mine' >&2; exit 2; }
	$(BIN)/humove view "$${DATASET:-$$RUN}" $(if $(PORT),--port "$$PORT")

train: $(BIN)/humove  ## train EchoMotion: DATASET=out/x OUT=out/run [PRESET=tiny] [SET="k=v ..."] [MOTIONS=out/amass,...] [ADDRESS=auto]; MOTIONS: motion-only sets from import-motion
	$(call need,DATASET,DATASET=out/demo OUT=out/run)
	$(call need,OUT,DATASET=out/demo OUT=out/run)
	$(BIN)/pip install --quiet $(pip_index) -e ".[train]"
	$(BIN)/humove train "$$DATASET" "$$OUT" $(flags) $(foreach m,$(subst $(comma), ,$(MOTIONS)),--motion-only "$(m)")

generate: $(BIN)/humove  ## generate video and motion: RUN=out/run MODE=joint|motion-to-video|video-to-motion [TEXT=...] [VIDEO=...] [MOTION=... MOTION_FPS=...] [DATASET=... KEY=...] [OUT=...]
	$(call need,RUN,RUN=out/run MODE=joint TEXT="a person waves")
	$(call need,MODE,RUN=out/run MODE=joint TEXT="a person waves")
	$(BIN)/humove generate "$$RUN" "$$MODE" $(foreach n,OUT TEXT VIDEO MOTION MOTION_FPS DATASET KEY,$(if $($(n)),--$(shell echo $(n) | tr A-Z_ a-z-) "$$$(n)"))

inspect: $(BIN)/humove  ## draw the body over the person, as a video and a strip in out/inspect: DATASET=out/x KEY=...
	$(call need,DATASET,DATASET=out/mine KEY=...)
	$(call need,KEY,DATASET=out/mine KEY=...)
	$(BIN)/humove inspect "$$DATASET" "$$KEY"

bench: $(BIN)/humove  ## measure CPU seconds per second of kept video, by kernel: [VIDEOS=...]
	$(BIN)/humove bench $(if $(VIDEOS),"$$VIDEOS")

test: $(BIN)/humove  ## set up and run every test
	$(BIN)/pip install --quiet $(pip_index) -e ".[dev]"
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(BIN)/humove  ## check style and imports
	$(BIN)/pip install --quiet $(pip_index) -e ".[dev]"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
