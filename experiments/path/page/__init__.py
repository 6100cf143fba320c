"""The page of a regularization path: a slider for the strength, a panel for each penalty.

`write` makes the file, with `sheets` for the pictures of the units and `words` for what is said of
a penalty without a symbol. In the browser `sheets.js` unpacks and colours the pictures, `graphs.js`
draws accuracy and histogram, `panels.js` is a penalty, and `page.js` the slider. `still` draws the
same as a picture, for where no page can be.
"""

from __future__ import annotations
