"""What the page says, in the languages that it speaks."""

from __future__ import annotations

from collections.abc import Mapping

ENGLISH = {
    "title": "Image search",
    "count": "images: {count}",
    "count_texts": "texts: {count}",
    "matched": "by the words {words}",
    "placeholder": "Describe an image",
    "search": "Search",
    "upload": "or search by an image",
    "found": "Found for “{text}”",
    "alike": "Found for your image",
    "score": "similarity {score}",
    "other": "中文",
    "other_code": "zh",
    "empty": "The text is empty: give some words to search for.",
    "long": "The text is too long: 10,000 characters can be searched for at most.",
    "busy": "Too many questions at once: ask again in a moment.",
    "large": "The file is too large.",
    "upload_none": "No file was chosen.",
    "missing": "This image is no longer there.",
    "image empty": "The file is empty.",
    "image not an image": "The file is no image: JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000 and PPM are read.",
    "image truncated": "The image is damaged.",
    "image huge": "The image has too many pixels: 40 million are read at most.",
    "image tiny": "The image is less than two pixels wide or high.",
    "request": "The request cannot be understood.",
    "nothing": "There is no such page.",
}

CHINESE = {
    "title": "图像搜索",
    "count": "共 {count} 张图片",
    "count_texts": "共 {count} 篇文本",
    "matched": "匹配词:{words}",
    "placeholder": "描述一张图片",
    "search": "搜索",
    "upload": "或用一张图片搜索",
    "found": "“{text}”的搜索结果",
    "alike": "与您的图片相似的图片",
    "score": "相似度 {score}",
    "other": "English",
    "other_code": "en",
    "empty": "搜索内容为空:请输入文字。",
    "long": "文字太长:最多可搜索 10,000 个字符。",
    "busy": "请求过多,请稍后再试。",
    "large": "文件太大。",
    "upload_none": "没有选择文件。",
    "missing": "这张图片已不存在。",
    "image empty": "文件为空。",
    "image not an image": "该文件不是图片:支持 JPEG、PNG、WebP、GIF、TIFF、BMP、AVIF、JPEG 2000 和 PPM。",
    "image truncated": "图片已损坏。",
    "image huge": "图片像素过多:最多 4000 万像素。",
    "image tiny": "图片的宽或高不足两个像素。",
    "request": "无法理解该请求。",
    "nothing": "没有这个页面。",
}

WORDS: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "zh": CHINESE}


def choose(asked: str | None, accepted: str) -> str:
    """The language that was asked for, or the first that a browser accepts (RFC 9110, section 12.5.4) and the page has.

    >>> choose(None, "fr-FR,zh-CN;q=0.8,en;q=0.5"), choose("en", "zh"), choose("xx", "")
    ('zh', 'en', 'en')
    """
    if asked in WORDS:
        return str(asked)
    tags = (part.partition(";")[0].strip().lower().partition("-")[0] for part in accepted.split(","))
    return next((tag for tag in tags if tag in WORDS), "en")
