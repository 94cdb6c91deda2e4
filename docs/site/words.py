"""The few words that the generated references need besides the program's own texts."""

from __future__ import annotations

from collections.abc import Iterable

from gpen_ui.texts import Language

WORDS: dict[str, tuple[str, str]] = {
    "flag": ("flag", "选项"),
    "values": ("values", "取值"),
    "meaning": ("meaning", "含义"),
    "option": ("option, flag", "选项与命令行参数"),
    "title": ("on the page", "页面上的名称"),
    "default": ("default", "默认"),
    "acts_on": ("acts on", "作用于"),
    "face": ("face", "人脸"),
    "photo": ("whole photo", "整张照片"),
    "input": ("input", "输入"),
    "on": ("on", "开"),
    "off": ("off", "关"),
    "to": ("to", "到"),
    "setting": ("setting", "设置"),
    "variable": ("environment variable", "环境变量"),
    "name": ("name", "名称"),
    "file": ("file", "文件"),
    "size": ("size", "大小"),
    "licence": ("licence", "许可证"),
    "where": ("where from", "来源"),
    "embedded": ("comes with the program", "随程序附带"),
    "field": ("field", "字段"),
    "where_it_stands": ("stands in", "位置"),
    "path": ("address", "地址"),
    "query": ("query", "查询"),
    "body": ("body", "请求体"),
    "required": ("demanded", "必填"),
    "answer": ("Answer", "应答"),
    "sends": ("Request", "请求"),
    "schemas": ("Answers in JSON", "JSON 应答"),
    "list": ("list of", "列表："),
    "binary": ("file", "文件"),
    "preset": ("preset", "预设"),
    "batch_size": ("batch size", "批大小"),
    "as_default": ("as by default", "同默认"),
    "unknown": ("not stated", "未公布"),
    "checked": ("SHA-256 known", "已知 SHA-256"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "colon": (": ", "："),
    "required_flag": ("[required]", "[必填]"),
    "comma": (", ", "、"),
}


def word(key: str, language: Language) -> str:
    return WORDS[key][language == "zh"]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars and line breaks in cells are made harmless. A bar in code is one already."""
    heads = list(head)
    lines = [_line(heads), _line(["---"] * len(heads)), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    plain = (cell.replace("\n", " ") for cell in cells)
    return "| " + " | ".join(cell if "`" in cell else cell.replace("|", "&#124;") for cell in plain) + " |"
