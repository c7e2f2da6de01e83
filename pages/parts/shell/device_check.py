"""The check of the chosen device: started here, its progress, and what it found."""

import time

import pandas as pd
import streamlit as st

from pages.parts.shell import frame
from sparsekd.runs import device_checks, jobs
from sparsekd.runs.device_checks import CheckProgress, DeviceCheck

ICONS = {"ok": "✓", "differs": "≠", "failed": "✗", "not run": "–"}
HELP = (
    "The main job in miniature on this device, each step against the same step on the processor: "
    "about two minutes, in a process of its own."
)


def draw_device_check() -> None:
    """Draw the button that starts a check, its progress while it works, and the last result."""
    device = _device()
    seen = device_checks.progress()

    @frame.guarded
    def draw() -> None:
        now = device_checks.progress()
        if seen is not None and seen.alive and (now is None or not now.alive):
            st.rerun(scope="app")
        if now is not None:
            _draw_progress(now)

    at_work = seen is not None and seen.alive
    st.fragment(draw, run_every=2.0 if at_work else None, key="device_check")()
    if not at_work and st.button(
        f"Check {device}", icon=":material/troubleshoot:", type="tertiary", help=HELP
    ):
        device_checks.start(device)
        st.rerun()
    last = device_checks.load(device)
    if last is not None and st.button(
        f"Results on {device}: {counts(last)}", type="tertiary", key="device_check.results"
    ):
        _show_results(last)


def counts(check: DeviceCheck) -> str:
    """Return how many steps ended in which way, in words."""
    named = {"ok": check.ok, "differ": check.differ, "failed": check.failed}
    named["not run"] = check.not_run
    return ", ".join(f"{count} {name}" for name, count in named.items() if count)


def results(check: DeviceCheck) -> pd.DataFrame:
    """Return a check's steps as a table, those that are wrong first."""
    rows = [
        {
            "step": row["step"],
            "result": f"{ICONS[row['status']]} {row['status']}",
            "why, or the largest difference": _words(row),
            "seconds": row["seconds"],
            "peak MiB": row["peak_mib"],
            "precision": row["precision"],
            "how far it may be, and why": _tolerance(row),
        }
        for row in sorted(check.rows, key=lambda row: row["status"] not in ("failed", "differs"))
    ]
    return pd.DataFrame(rows)


def _device() -> str:
    """Return the chosen device, or the fastest."""
    chosen = frame.chosen_device()
    return jobs.devices(detect=False)[0].name if chosen == "auto" else chosen


def _draw_progress(progress: CheckProgress) -> None:
    if not progress.alive:
        words = f"The check of {progress.device} ended without a result"
        after = f" after {progress.step}" if progress.step else ""
        st.warning(frame.plain(f"{words}{after}: {device_checks.log_path()} says why."))
        return
    share = progress.done / progress.total if progress.total else 0.0
    words = f"Checking {progress.device}: {progress.step or 'loading'}"
    st.progress(share, text=frame.plain(f"{words} · {progress.done} of {progress.total or '?'}"))


@st.dialog("Check of a device", width="large")
def _show_results(check: DeviceCheck) -> None:
    when = time.strftime("%d %B %Y, %H:%M", time.localtime(check.checked))
    st.markdown(
        f"**{frame.plain(check.device)}**: {frame.plain(check.words)}. {when}, "
        f"SparseKD {frame.plain(check.version)}, torch {frame.plain(check.torch)}: {counts(check)}."
    )
    table = results(check)
    st.dataframe(
        table,
        width="stretch",
        hide_index=True,
        key="device_check.table",
        column_config={
            "seconds": st.column_config.NumberColumn(format="%.1f"),
            "peak MiB": st.column_config.NumberColumn(format="%.0f"),
        },
    )
    frame.draw_download(table, f"check-{check.device.replace(':', '-')}", "device_check.csv")


def _words(row: dict[str, object]) -> str:
    if row["why"] or row["difference"] is None:
        return str(row["why"])
    return f"{row['difference']:.2g} {row['what']}"


def _tolerance(row: dict[str, object]) -> str:
    if row["tolerance"] is None:
        return ""
    return f"{row['tolerance']:g}: {row['reason']}"
