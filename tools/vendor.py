"""Fetch the scripts that the site serves itself: `python tools/vendor.py` (needs npm)."""

import hashlib
import pathlib
import subprocess
import tarfile
import tempfile

HERE = pathlib.Path(__file__).parent / "vendor"
PACKAGES = [  # name, version, sha256 of the package, files: wanted prefix -> place under vendor/
    (
        "mathjax",
        "3.2.2",
        "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
        {
            "es5/tex-chtml-full.js": "mathjax/tex-chtml-full.js",
            "es5/output/chtml/fonts/": "mathjax/output/chtml/fonts/",
            "LICENSE": "mathjax/LICENSE",
        },
    ),
    (
        "@jupyter-widgets/html-manager",
        "1.0.15",
        "2b9d65cb7913e1c7d671757a10008b32c9c2448d4429513371e55c07d6107638",
        {
            "dist/embed.js": "widgets/embed.js",
            "dist/embed.js.LICENSE.txt": "widgets/embed.js.LICENSE.txt",
            "dist/1551f4f60c37af51121f.woff2": "widgets/1551f4f60c37af51121f.woff2",
            "dist/7a3337626410ca2f4071.woff2": "widgets/7a3337626410ca2f4071.woff2",
            "dist/d878b0a6a1144760244f.woff2": "widgets/d878b0a6a1144760244f.woff2",
        },
    ),
]


def fetch(name, version, digest, files):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["npm", "pack", "--silent", f"{name}@{version}"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        package = pathlib.Path(folder) / done.stdout.split()[-1]
        found = hashlib.sha256(package.read_bytes()).hexdigest()
        if found != digest:
            raise SystemExit(f"{name} {version}: sha256 is {found}, needed {digest}")
        with tarfile.open(package) as archive:
            for member in archive.getmembers():
                path = member.name.removeprefix("package/")
                for wanted, place in files.items():
                    if member.isfile() and (
                        path == wanted or wanted.endswith("/") and path.startswith(wanted)
                    ):
                        target = HERE / (place + path[len(wanted) :])
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(archive.extractfile(member).read())


if __name__ == "__main__":
    for package in PACKAGES:
        fetch(*package)
        print("fetched", package[0], package[1])
