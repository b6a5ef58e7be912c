"""The page in the browser: a trained machine that thinks there, tick by tick.

The modules of the page, `*.js`, are served as they stand here; a task's own is `page.js` in its folder.
"""

from ctm.page.server import serve
from ctm.page.site import write

__all__ = ["serve", "write"]
