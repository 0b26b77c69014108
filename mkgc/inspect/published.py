"""Public data sets as they were published: counts, and the sha256 of the label files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """``counts`` are of train, dev and test, ``sizes`` of the whole data set; ``files`` maps names to sha256.

    ``source`` is the repository and commit that the files are from; ``note`` says what it means if one differs.
    """

    title: str
    source: str
    counts: Mapping[str, tuple[int, int, int]]
    sizes: Mapping[str, int]
    files: Mapping[str, str]
    note: str = ""


def find_published(name: str | None) -> Published | None:
    """The data set of a name as `data.name` gives it, whatever its case; None if it is not known."""
    return None if name is None else PUBLISHED.get(name.lower().replace("-", "_"))


PUBLISHED = {
    "mnre": Published(
        "MNRE",
        "thecharm/MNRE@354211e, relations of thecharm/TMR@279b3e2",
        {"sentences": (12247, 1624, 1614), "None": (7744, 1000, 974)},
        {"relations": 23},
        {
            "ours_rel2id.json": "f09c6c2773fd9078e1b46dd632cba2e0d4b0448d9695d00297e72d4e1f50fd15",
            "ours_train.txt": "1cc34438a00e2a2db73e4eba297820f926f62abd1fddc693caa13c58b62428b7",
            "ours_val.txt": "c76865179b5678167b164c21fd25ed31f9a1416da393ac93ce70f32b00352b75",
            "ours_test.txt": "f53c2f9b7739bea7d08aee4a91bfd6ec7432e1d0eeb83debf10f5d3291bc5215",
        },
    ),
    "twitter2015": Published(
        "Twitter-2015, UMT's labels",
        "jefferyYu/UMT@f478ee6",
        {
            "sentences": (4000, 1000, 3257),
            "PER": (2217, 552, 1816),
            "LOC": (2091, 522, 1697),
            "ORG": (927, 247, 839),
            "OTHER": (931, 220, 720),
        },
        {"entity types": 4},
        {
            "train.txt": "a6246e37aa1c8acd738747fa8257e01775f2a1cc0d4f36f82f9d41d6246ad6fa",
            "valid.txt": "9dcc7f9df7331de3c9cdf67a3450e041c41c6254b5e43925c576e2dfaaabe2ad",
            "test.txt": "edb2665b89bfe58bca06a2c10b9b31cbfa95456135b6a4cbf55c872e48d9b8f9",
        },
        "two label versions of Twitter-2015 circulate, TMR's has 393 other labels in 239 test sentences; "
        "scores on the two cannot be compared",
    ),
    "twitter2017": Published(
        "Twitter-2017, UMT's labels",
        "jefferyYu/UMT@f478ee6",
        {
            "sentences": (3373, 723, 723),
            "PER": (2943, 626, 621),
            "LOC": (731, 173, 178),
            "ORG": (1674, 375, 395),
            "MISC": (701, 150, 157),
        },
        {"entity types": 4},
        {
            "train.txt": "801e149e8635b19d66b4ec1212c329be340ada501b35c5fa55455fb6f53633be",
            "valid.txt": "41b5db90cb32059c14c2c3ccd50845fb77f1e3d3e4f7d0c210a61bc507d8a73e",
            "test.txt": "a7d9e172ae85bd3e35276eb2b01ce223321bdc92a47b234e24305d72e7a05243",
        },
    ),
    "cfet": Published(
        "CFET, crowd-sourced",
        "HKUST-KnowComp/cfet@6e494c2",
        {"sentences": (3830, 484, 484)},
        {},
        {"crowdsourced.json": "8244628dd8f58c6b0a63c7e9779f89340bedfb2ca2d92faa838941a4e6df1966"},
    ),
    "figer_gold": Published(
        "FIGER's gold sentences",
        "xiaoling/figer@ab0fa64",
        {"sentences": (449, 57, 57)},
        {"types": 113},
        {
            "exp.label": "802c027ebc7deade86b46f72f141cc1d429d16cbb26d187e7e447499d1df54a6",
            "types.map": "9f105b0cf57c1f8295c7a9148873180e3884be9d84357436c8f4b727966f76f4",
        },
    ),
    "ipre_subset": Published(
        "IPRE, a part of train",
        "relation2id.txt of SUDA-HLT/IPRE@3a9de8f, sentences of HaoshuaiXu/HumanIE-IPM@a049add",
        {"sentences": (27767, 3497, 3484)},
        {"relations": 35},
        {
            "relation2id.txt": "e34288e053560b81929d98934c5376e49ff77c618e6f4b3ea3875a7297614d08",
            "sent_train_subset.txt": "c70e45bfd1464286a6838104942ce56ef6ecce3d73f72b878ea3a218301920ff",
            "sent_relation_train_subset.txt": "73425eba918957ca9ba576f886d68c0adbc993a493a5acba014668cf1941dc42",
        },
    ),
    "fb15k237_img": Published(
        "FB15k-237",
        "zjunlp/MKGformer@6dc924d",
        {"triples": (272115, 17535, 20466)},
        {"entities": 14541, "relations": 237},
        {
            "train.tsv": "6e4c2782169af21e9743f3b1d200886f5d595bf6bc504ec1351720949c5cdfae",
            "dev.tsv": "cf6309010852f6a8d47a45df830a426415d1ee6f7a3970a8376ff1fb81db4a5c",
            "test.tsv": "5711cf41623ceb4eacc50eb6108a3ca6565c7492e3caaf82a3e355cc660d1574",
            "entities.txt": "7341cc8e03b3b0293d2a3cf7b355513e76a70558a804ad8572bb9847a51fdec1",
            "relations.txt": "8abf7ba03bad41395095538e4678ab61831d337ab37d3d4f8bacea6514e0a9fc",
            "entity2text.txt": "16beedcfad3d32696e8b0b98cfa0f5eeb144f5142225f227a64fd9ce37447da5",
            "relation2text.txt": "e9cae6b4eb7d48dec064752075730767e89eaf73567e3caf33471ee1a79476cd",
        },
    ),
    "wn18_img": Published(
        "WN18",
        "zjunlp/MKGformer@6dc924d",
        {"triples": (141442, 5000, 5000)},
        {"entities": 40943, "relations": 18},
        {
            "train.tsv": "fe14c91d03647fb0a8411be3dfb2902f1b411e925e27363812a99988de41d5a7",
            "dev.tsv": "1408ab763bb7353d5f9cca6083251af888701989211ef40997272062d8478dae",
            "test.tsv": "bac6409dc6b73a29484086135bc53c1e8b09225c3b9a833abd9212d4106abbdd",
            "entities.txt": "22e8e7cc5744cc67097d90fd4992f7fe6a6361bcf8c83cd52e9d282d34d40366",
            "relations.txt": "af160748114e2b9373a5aa34f5df10b51b893fb0ed15973ab3646334b69efb09",
            "entity2text.txt": "8f5c6f11753dafa879917b9bdf73d398ceb3bd4bed8d5553177e1e0f2c37521f",
            "relation2text.txt": "25b43c9140c9c21815010e08ad36bbdaa034e7853c92f00ff65d314759b1f4c7",
        },
    ),
    "wn18rr": Published(
        "WN18RR",
        "yao8839836/kg-bert@0b8f625",
        {"triples": (86835, 3034, 3134)},
        {"entities": 40943, "relations": 11},
        {
            "train.tsv": "038612e783c215ee5f3ca9fbfca27b8d0739be1028fe4ee7c174aecf0b83d5df",
            "dev.tsv": "453ce7202afa58094a04d2b1560ee2b02660f1c260b32ce6651c8ccedd1028ab",
            "test.tsv": "0383bceaaa1096cf3c03ec021ed0048068e2355dbfc0239b292cefdac821cec5",
            "entities.txt": "178f3020f4a4dd7a2b51a93d8f4e95b38f7b431b0eadb5d317a2ce2f0b3097f0",
            "relations.txt": "53e8790103375e198e418ba55fc52118789dab8ffe55a848a150dfb630cbd3ad",
            "entity2text.txt": "8f5c6f11753dafa879917b9bdf73d398ceb3bd4bed8d5553177e1e0f2c37521f",
            "relation2text.txt": "91b1de5585d686ed31498d50f1c4eed44ba9486dffbbcc0c28927ac884184918",
        },
    ),
    "umls": Published(
        "UMLS",
        "yao8839836/kg-bert@0b8f625",
        {"triples": (5216, 652, 661)},
        {"entities": 135, "relations": 46},
        {
            "train.tsv": "873ef4925516b83e7f6f8cc02b4be51d848828710a7f65a956f0ac4a9e452f35",
            "dev.tsv": "025c98f8a4891e2a6582ec5b40ee0d904031edad9c52554522f4b7904820c98e",
            "test.tsv": "a7eb529a3d2810fcc96341ccc97c625a5e202f8389673aa6bd317eeebbb79014",
            "entities.txt": "c3090e4df683379d0fb47fe229859b5bfddb8d0e7802f8b3c506bb2290c5ff39",
            "relations.txt": "aa4a63754c991824210568dc83e8e4a74d7c0ee0ff6af2c5605fde84e55d82f9",
            "entity2text.txt": "c6438aafd894917cefe73ea75fc20743d18f4226ebc85a2f43758ff3f77330b9",
            "entity2textlong.txt": "cb4eccdebf5bfc73adc2db0fc582d215256aa11d789d3a16a6c0649f338f5fe3",
            "relation2text.txt": "f5c5eddf696c52fc3c435ac031a4a0b06e00cc09116613db6a835d02d610123c",
        },
    ),
    "db15k": Published(
        "DB15K",
        "zjukg/NATIVE@c72291c",
        {"triples": (79222, 9904, 9902)},
        {"entities": 12842, "relations": 279},
        {
            "train2id.txt": "d41f9b9ab5c0e6eed393e0f93febb4258dc02e5e4a4e2a99c49410d167522804",
            "valid2id.txt": "dc7ed39aa14e35a2f7ac09a0ff046067ee0e0d7953f8a204f04e7c09776095b1",
            "test2id.txt": "15f28535d04f3711b739a49d824f2346167384283cde57123376392d418ad6de",
            "entity2id.txt": "8f8d070f1bb24d07ed3050e4e4e780cb7f2245d0b14db3346e8db4fa55981728",
            "relation2id.txt": "25e5a975ee079dbd5b8d22ffe23575a9e3135d263e0a3763224777bf526c1a74",
        },
    ),
    "mkg_w": Published(
        "MKG-W",
        "zjukg/NATIVE@c72291c",
        {"triples": (34196, 4276, 4274)},
        {"entities": 15000, "relations": 169},
        {
            "train2id.txt": "a9f316506a20a7b5bef7de3ceaaa1e82de554b8e92e6aa26e7cb54bcd8ada53d",
            "valid2id.txt": "34dd556893b8e4832600298864dbd18012529a1f172793c21e45ad7bdee9d189",
            "test2id.txt": "0e1294b1f95c8ef80ad422aeefafea321d16c1d127570e6bb566882b2e053989",
            "entity2id.txt": "d94b546efcb535d8253821626dd32f3ee876b2f263b727a4a446bc74697785df",
            "relation2id.txt": "204203e03a92d4f973ee815449695bcfaae1b6917fcb08b65f3b0fb071a47f61",
        },
    ),
    "mkg_y": Published(
        "MKG-Y",
        "zjukg/NATIVE@c72291c",
        {"triples": (21310, 2665, 2663)},
        {"entities": 15000, "relations": 28},
        {
            "train2id.txt": "71310c2c274e5ba2ce550433ef5c8496920bd03f50fd6057e64fc9c34e1e1aac",
            "valid2id.txt": "6c82db2d2b809aabf72f94bc19be3080b53ffba1caec12b81510354a7fe3470e",
            "test2id.txt": "8602cbbe7e3aef2c857df66eec5f7e4a2d6b02b19f58feff085688fb28980158",
            "entity2id.txt": "416f6f77c13d0cf0c5cae9625a62b9f7d26320c27ae408f5ce4e7eae3206b8d9",
            "relation2id.txt": "78d468edc02688f742c9b5a1030a071789ab24784dd2e48897643fe108ff4e4d",
        },
    ),
    "flickr8k_cn": Published(
        "Flickr8k-CN",
        "li-xirong/flickr8kcn@a19b9aa",
        {"pairs": (30000, 5000, 5000), "images": (6000, 1000, 1000)},
        {},
        {
            "flickr8kzhc.caption.txt": "298918f03fb332911df3cda128a7a56f1f47c0513531c4f22eeecbea7d780bbb",
            "flickr8kzhmtest.captions.txt": "705301a736afb507d59f9245c342649493061331567d82db5785a07eb97470c3",
            "flickr8ktrain.txt": "4c01163d47c7b9054bb6352fc6e09c6c9fc37fadb959c58533f3f753b41c1fd4",
            "flickr8kval.txt": "cc46ffbc02da82394994fa0750b5e6084b33c332204b30281e6fb95f1072aaf5",
            "flickr8ktest.txt": "0c4b7315648cb1f874be5edd6a251525808f30a18b0a75ac1548278162ebc228",
        },
    ),
    "flickr30k_cn": Published(
        "Flickr30k-CN",
        "counts that its users give",
        {"pairs": (148915, 5000, 5000), "images": (29783, 1000, 1000)},
        {},
        {},
    ),
    "coco_cn": Published(
        "COCO-CN, version 201805",
        "li-xirong/coco-cn@22b218e (images), and counts that its users give (pairs)",
        {"pairs": (20065, 1100, 1053), "images": (18341, 1000, 1000)},
        {},
        {},
    ),
    "coco_cn_ext": Published(
        "COCO-CN, extension of 2020",
        "li-xirong/coco-cn@22b218e",
        {},
        {"pairs": 4712, "images": 4573},
        {"coco-cn_ext.icap2020.txt": "6427c1b2f2bc357f26ac7ac37e60965f7574028997dc7aefcad495832359053c"},
    ),
    "emoji_zh": Published(
        "Noto emoji with CLDR's names",
        "npm emoji-datasource-google 16.0.0, cldr-annotations-full 48.2",
        {},
        {"images": 1348},
        {"emoji.jsonl": "bd3d94b936779e403eaa2cd9e2219c68afb0d59a132459cbdf9710f4f0cc11be"},
    ),
    "tuxpaint": Published(
        "Tux Paint's stamps",
        "Debian tuxpaint-stamps-default 2022.06.04-1",
        {},
        {"images": 108},
        {"captions.tsv": "22e71a61ede735d228371682a605da057648466364011ac92b77313e05661914"},
    ),
    "flags": Published(
        "Flags",
        "npm svg-country-flags 1.2.10, world-countries 5.1.0",
        {},
        {"images": 239},
        {"countries.tsv": "6b9cde91267cf42b1293e2677d64704d91ddbfaccb5cb097309e3d940f509cf1"},
    ),
}
