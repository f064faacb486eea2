"""FineWeb-Edu, the published setting: MD4-S on educational web pages, packed into rows.

    md4keras data prepare fineweb_edu --out data/fineweb_edu           # once: 10 billion tokens
    md4keras train fineweb_edu --data data/fineweb_edu

--data also takes documents of your own. Network, optimizer and steps are those of OpenWebText.
Each document is cut to 1,023 word pieces and the end token, and several share a row; here they do
not see one another, as published they did. Hardware: as MD4-S of train.openwebtext; packed rows
cost the attention's masks besides. The paper shows curves of downstream tasks and no figure to
expect; not run here.
"""

import dataclasses

from . import loop, openwebtext

RECIPE = dataclasses.replace(
    openwebtext.RECIPE.variant("fineweb_edu", {"rows": "packed", "long": "cut"}),
    description=__doc__,
    source="fineweb_edu",
)

if __name__ == "__main__":
    loop.main(RECIPE)
