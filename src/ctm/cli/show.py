"""`ctm show`: a page in the browser, in which a trained machine thinks."""

from pathlib import Path

from ctm.cli.trained import Which


def show(
    source: Path,
    /,
    *,
    out: Path | None = None,
    checkpoint: Which = "best",
    ticks: int | None = None,
    port: int = 0,
    open: bool = True,
) -> None:
    """Opens a page in which a trained machine thinks, tick by tick, about what you draw, edit or choose.

    Parameters
    ----------
    source:
        A run, a saved model with its task, one in the package, or a repository user/name.
    out:
        Write the page into this new folder instead, for any web server.
    checkpoint:
        Of a run, the one with the best validation score, or the last one.
    ticks:
        Internal ticks of a pass; by default as many as in training. The page can think longer.
    port:
        Where the page is served on this machine; 0 for any port that is free.
    open:
        Open it in the browser.
    """
    import tempfile
    import webbrowser

    from ctm.page.server import address, serve, serve_until_interrupted
    from ctm.page.site import write

    if out is not None:
        write(source, out, checkpoint=checkpoint, ticks=ticks)
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        print(f"written: {out} ({size / 1e6:.1f} MB); any web server can show it: python -m http.server -d {out}")
        return
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        server = serve(site, port)
        write(source, site, checkpoint=checkpoint, ticks=ticks)
        print(f"{address(server)} (Ctrl-C ends it)", flush=True)
        if open:
            webbrowser.open(address(server))
        serve_until_interrupted(server)
