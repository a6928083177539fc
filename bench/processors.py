"""Which results differ where a processor has other instructions: the pipeline, once under each that can be forced here.

python bench/processors.py                      both tables, into bench/README.md; docs/rebuild.md says what they mean
python bench/processors.py processors-torch     one of them
"""

import os
import subprocess
from pathlib import Path

import yaml

import page
from page import Table
from pipeline import call, environment, project

FORCED = {  # what is forced -> how; the first is what the others are compared with
    "nothing": {},
    "nothing, again": {},
    "OpenBLAS as on Intel with AVX-512": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "OpenBLAS with SSE": {"OPENBLAS_CORETYPE": "Nehalem"},
    "NumPy without AVX-512": {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"},
    "NumPy without AVX2": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"},
    "the C library without AVX2 and FMA": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "oneDNN with SSE": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "TensorFlow without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "PyTorch and MKL with AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2"},
    "MKL as on Intel": {"LD_PRELOAD": "intel.so"},
    "PyTorch without AVX2": {"ATEN_CPU_CAPABILITY": "default"},
    "MKL in its mode for all processors": {"MKL_CBWR": "COMPATIBLE"},
}

INTEL = "int mkl_serv_intel_cpu(void) { return 1; } int mkl_serv_intel_cpu_true(void) { return 1; }"  # what MKL asks


def torch() -> Table:
    """What `dvc repro` of torch_tabular leaves, where an instruction set is forced; "the same" is every byte."""
    return compared("torch_tabular")


def keras() -> Table:
    """What `dvc repro` of keras_tabular leaves, where an instruction set is forced; "the same" is every byte."""
    return compared("keras_tabular")


def compared(model: str) -> Table:
    with project() as folder:
        call(folder, "stemma", "conf", "sync", f"model={model}")
        call(folder, "git", "commit", "--allow-empty", "-qam", "settings")
        compiler = ["cc", "-shared", "-fPIC", "-xc", "-o", "../intel.so", "-"]
        subprocess.run(compiler, cwd=folder, input=INTEL, text=True, check=True)
        found = {what: results(folder, forced) for what, forced in FORCED.items()}
    first = found.pop("nothing")
    settings = {what: " ".join(f"`{name}={value}`" for name, value in FORCED[what].items()) for what in found}
    return ["forced", "by", "differs"], [[what, settings[what], told(first, made)] for what, made in found.items()]


def results(folder: Path, forced: dict[str, str]) -> dict[str, dict[str, str]]:
    """The hash of every output, by stage."""
    ours = {name for each in FORCED.values() for name in each}
    known = {name: value for name, value in (os.environ | environment(folder)).items() if name not in ours}
    if "LD_PRELOAD" in forced:
        forced = {"LD_PRELOAD": str(folder.parent / forced["LD_PRELOAD"])}
    subprocess.run(["dvc", "repro", "-q", "--force"], cwd=folder, env=known | forced, check=True)
    stages = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {name: {out["path"]: out["md5"] for out in stage["outs"]} for name, stage in stages.items()}


def told(first: dict[str, dict[str, str]], made: dict[str, dict[str, str]]) -> str:
    differing = {
        stage: [path for path in outs if outs[path] != made[stage][path]]
        for stage, outs in first.items()
        if outs != made[stage]
    }
    return "; ".join(f"{stage}: {', '.join(paths)}" for stage, paths in differing.items()) or "the same"


TABLES = {f"processors-{f.__name__}": f for f in (torch, keras)}

if __name__ == "__main__":
    page.main(TABLES)
