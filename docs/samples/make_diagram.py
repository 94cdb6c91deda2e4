"""Draws `how-en.svg` and `how-zh.svg`, the way of photos through the program.

Run it from the repository's root with `python docs/samples/make_diagram.py` after a change.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
WORDS = {
    "en": {
        "alt": "Faces of several photos are found, aligned, restored in one batch, and return into their own photos.",
        "doors": ["page", "command line", "REST", "Python"],
        "steps": ["photos", "faces, aligned", "one batch", "network", "restored", "results"],
        "encoder": "encoder",
        "decoder": "decoder",
        "lanes": ["threads: read, find, align", "device: restore", "threads: agree, paste, write"],
        "store": "store of runs: what is planned, done, failed, left",
        "outside": "pixels outside the faces: untouched",
    },
    "zh": {
        "alt": "多张照片中的人脸经检测和对齐后，合成一批通过网络，再各自贴回自己的照片。",
        "doors": ["网页", "命令行", "REST", "Python"],
        "steps": ["照片", "对齐的人脸", "一个批次", "网络", "修复后的人脸", "结果"],
        "encoder": "编码器",
        "decoder": "解码器",
        "lanes": ["线程：读取、检测、对齐", "设备：修复", "线程：与照片一致、贴回、写入"],
        "store": "任务库：计划、完成、失败、剩余",
        "outside": "人脸以外的像素：原样不动",
    },
}
INK, SOFT, LINE, TEAL = "#1e293b", "#f1f5f9", "#94a3b8", "#0d9488"
COLOURS = ["#0d9488", "#b45309", "#4f46e5"]  # of the three photos
FACES = [[(52, 44)], [(34, 40), (76, 48)], [(58, 46)]]
CROPS = [0, 1, 1, 2]  # which photo each face is of


def text(x: float, y: float, words: str, *, size: int = 15, weight: int = 400, colour: str = INK) -> str:
    look = f'font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="middle"'
    return f'<text x="{x}" y="{y}" {look}>{words}</text>'


def box(x: float, y: float, w: float, h: float, *, fill: str = SOFT, stroke: str = LINE, r: float = 6) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{r}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>'
    )


def arrow(x: float, y: float, length: float) -> str:
    return f'<path d="M{x} {y}h{length - 8}" stroke="{LINE}" stroke-width="2.5" marker-end="url(#tip)"/>'


def face(x: float, y: float, r: float, colour: str, *, clear: bool) -> str:
    """Blurred before, with eyes and mouth after."""
    head = f'<circle cx="{x}" cy="{y}" r="{r}" fill="{colour}" fill-opacity="{0.85 if clear else 0.3}"/>'
    if not clear:
        return head
    eyes = "".join(f'<circle cx="{x + dx * r}" cy="{y - r / 5}" r="{r / 9}" fill="#fff"/>' for dx in (-0.35, 0.35))
    curve = f"M{x - r * 0.4} {y + r * 0.3}q{r * 0.4} {r * 0.4} {r * 0.8} 0"
    mouth = f'<path d="{curve}" stroke="#fff" fill="none" stroke-width="{r / 8}"/>'
    return head + eyes + mouth


def photos(x: float, *, clear: bool) -> str:
    parts = []
    for number, places in enumerate(FACES):
        top = 110 + number * 96
        parts.append(box(x, top, 110, 84, fill="#fff", stroke=COLOURS[number]))
        parts += [face(x + dx, top + dy, 17, COLOURS[number], clear=clear) for dx, dy in places]
    return "".join(parts)


def crops(x: float, *, clear: bool) -> str:
    parts = []
    for row, photo in enumerate(CROPS):
        top = 112 + row * 71
        parts += [box(x, top, 60, 60, fill="#fff", stroke=COLOURS[photo])]
        parts += [face(x + 30, top + 30, 21, COLOURS[photo], clear=clear)]
    return "".join(parts)


def batch(x: float) -> str:
    parts = [box(x, 180, 128, 142, fill="#fff", stroke=TEAL)]
    for place, photo in enumerate(CROPS):
        left, top = x + 8 + place % 2 * 58, 188 + place // 2 * 66
        parts += [box(left, top, 54, 60, fill=SOFT, stroke=COLOURS[photo])]
        parts += [face(left + 27, top + 30, 19, COLOURS[photo], clear=False)]
    return "".join(parts)


def network(x: float, words: dict) -> str:
    shapes = (
        f'<path d="M{x} 150l90 46v110l-90 46z" fill="#ccfbf1" stroke="{TEAL}" stroke-width="1.5"/>'
        f'<path d="M{x + 180} 150l-84 46v110l84 46z" fill="#ccfbf1" stroke="{TEAL}" stroke-width="1.5"/>'
        f'<path d="M{x + 40} 182C{x + 60} 120 {x + 120} 120 {x + 140} 176" fill="none" stroke="{TEAL}" '
        'stroke-width="1.5" stroke-dasharray="4 3"/>'
    )
    return shapes + text(x + 44, 256, words["encoder"], size=14) + text(x + 138, 256, words["decoder"], size=14)


def drawing(language: str) -> str:
    words = WORDS[language]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 520" role="img" aria-label="{words["alt"]}" '
        "font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif\">",
        '<defs><marker id="tip" markerWidth="6" markerHeight="6" refX="3" refY="3" orient="auto">'
        f'<path d="M0 0l6 3-6 3z" fill="{LINE}"/></marker></defs>',
        '<rect width="1040" height="520" rx="10" fill="#fff"/>',
    ]
    for number, door in enumerate(words["doors"]):
        parts += [box(250 + number * 140, 16, 124, 34, r=17), text(312 + number * 140, 39, door, size=15)]
    centres = (75, 207, 345, 540, 767, 960)
    parts += [text(x, 94, step, weight=600) for x, step in zip(centres, words["steps"], strict=True)]
    parts += [photos(20, clear=False), arrow(136, 252, 36), crops(177, clear=False), arrow(243, 252, 34)]
    parts += [batch(281), arrow(415, 252, 30), network(450, words), arrow(636, 252, 92), crops(737, clear=True)]
    parts += [arrow(803, 252, 96), photos(905, clear=True)]
    for left, width, lane in (
        (20, 252, words["lanes"][0]),
        (281, 350, words["lanes"][1]),
        (640, 380, words["lanes"][2]),
    ):
        parts += [box(left, 412, width, 32, fill=SOFT), text(left + width / 2, 433, lane, size=14)]
    parts += [box(20, 460, 610, 40, fill="#f0fdfa", stroke=TEAL), text(325, 485, words["store"], size=14)]
    parts += [box(640, 460, 380, 40, fill="#f0fdfa", stroke=TEAL), text(830, 485, words["outside"], size=14), "</svg>"]
    return "\n".join(parts) + "\n"


def main() -> None:
    for language in WORDS:
        (FOLDER / f"how-{language}.svg").write_text(drawing(language), encoding="utf-8")


if __name__ == "__main__":
    main()
