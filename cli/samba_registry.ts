/**
 * The dump of a registry.tdb that Samba's `net registry import` made of the shares in cli/dev_samba.ts: gzip, base64.
 * test/vectors/samba/registry.dump is the same as text; test/demo/samba_dump.ts makes both.
 *
 * Does NOT promise: what another version of Samba would put in.
 */

/** Who made it. */
export const SAMBA_DUMP_BY = "Samba 4.17.12-Debian";

/** Pieces of the base64 text, in order. */
export const SAMBA_DUMP: readonly string[] = [
  "H4sIAAAAAAACA82d227iyBaG7/sp0Fz13jdDHZYPW5oL2nEyaDjJQNIjtbTlECdjNeDIkKSj1rz7lMFZ2NjJmEMdpEYUxF",
  "7/8mevwr9LXfXz0/fo9TOh/2n91vrl9z96/W/gjf8cT/z+t3b7l0934Tr8TLd//dYm4rvtP+8pTaPl2kuW6zSZj6P1Zuu/",
  "P/3chmObHbqDy+Gvz1G6ipPlLhrPgzEMVtiR53l40yyP4eXkphP4hUxYvjPFnUfJPJ7F0Uo0+/EsTVbJ/bo+5vbYqjHdSk",
  "LFQONwcRuWdXaxabs2tmh2+l86BQ2o5L1a3M6S5b1oXaXJ02NrE/+1HJ3V0gBvNOx1va4/rkJt10DFMPtJHhiGv5NNv+sF",
  "w+zzLg6pXjE38fIueVnVh9zPrCZkzanPQ7YGk/fiOx+eHvHe/+INB5cFAC7Z7PIbijzMk9twnp2wv8I02p66TYtgi2KLYY",
  "tjC7BlYcvGloMt961FUIOgBkENghoENQhqENQgqEFQg6AGRQ2KGhQ1KGpQ1KCoQVGDogZFDYoaDDUYajDUYKjBUIOhBkMN",
  "hhoMNRhqcNTgqMFRg6MGRw2OGhw1OGpw1OCoAagBqAGoAagBqAGoAagBqAGoAW7pcmXtml4YPG8aBP5gIi7USTDsjf1iUZ",
  "BKUeRdctZzRelzPNvrsRj91yoG76Y7uBjeFPoF4r73C3Bd6N4rGu+X9eka7F9K+yoYTketTRf3Z7MOjkHztLd9znGZQ8NO",
  "SRxDb/il02uYvdU47Ph38Zd89/PHJZLiUklxmaS4XFJckBTXkhTXlhTXkRTXlROXSKo3IqneiKR6I5LqjUiqNyKp3oikei",
  "OS6o1Iqjciqd6opHqjkuqNSqo3KqneqKR6o5LqjUqqNyqp3qikeqOS6o1Jqjcmqd6YpHpjkuqNSao3JqnemKR6Y5LqjUmq",
  "Nyap3rikeuOS6o1Lqjcuqd64pHrjkuqNS6o3LqneuKR645LqDSTVG0iqN5BUbyCp3kBSvYGkegNJ9QaS6g0k1Rs0rTen4c",
  "Nt8d32QyEuqQzRjdJ4ud68J3dPs/XwcS2es2aPuidRuoiX4byVPf6O0nIObuMcxn5w3fVKY2NvSXBMohcuF+EShfxn8ch3",
  "njxkWcwe40fxPoiyL/aeAL+Nek2bkeP8YHJibC/oFh9R1yR/maSL1RtJ8Zw6O4Dlc5wmy4U4jM14arKM10laHkDgcDhD8C",
  "beqDsqPDGHyhPzUZiGiyhPpCBnHzBegWlc+8G4OxwUBFlVsG5AF+WaDF2cQc45BqZ/Lf7YG141vHyO0hj4mULpmJqfs63i",
  "psP4f+BfXXeyK/KYAQ9wK+NbL0n6/SEbMd98JIVj7mA7G92/yEbW83Y+4h7NntJ4/frBjk/ZZuIViVdax9I99sgqYy4EB7",
  "R3ndpjuP5rPzuyy+7XPLsss+fC52yfMP8+y7ydv7b/0ii8ayXLefW4LWxn/VOCn2bJIusC9rb/jK1xjWYr12zlke7z9jrf",
  "9m2b7P0uG1bP2+cmTJQRJhoIEwMIU2WEqQbC1ADCTBlhpoEwM4AwV0aYayDMDSAMygiDBsJgAGFLGWFLA2HLAMK2MsK2Bs",
  "K2AYQdZYQdDYQdAwi7ygi7Ggi7+gmTkqcDWYSJFE/330aOwwBfR4gyykQTZQO8HaHKKFNNlA3wd4Qpo8w0UTbA4xGujDLX",
  "RNkAn0dAGWXQRNkAr0csZZQtTZQN8HvEVkbZ1kTZAM9HHGWUHU2UDfB9xFVG2dVE2QDvR9V4P6rJ+1EzvB8lyigTTZQN8H",
  "6UKqNMNVE2wPtRpowy00TZAO9HuTLKXBNlA7wfBWWUQRNlA7wftZRRtjRRNsD7UVsZZVsTZQO8H3WUUXY0UTbA+1FXGWVX",
  "E2UDvB9T4/2YJu/HzPB+jCijTDRRNsD7MaqMMtVE2QDvx5gyykwTZQO8H+PKKHNNlA3wfgyUUQZNlA3wfsxSRtnSRNkA78",
  "dsZZRtTZQN8H7MUUbZ0UTZAO/HXGWUXU2UDfB+XI3345q8HzfD+3GijDLRRNkA78epMspUE2UDvB9nyigzTZQN8H6cK6PM",
  "NVE2wPtxUEYZNFE2wPtxSxllSxNlA7wft5VRtjVRNsD7cUcZZUcTZQO8H3eVUXY1UTbA+4Ea7weavB+Y4f2AKKNMNFE2wP",
  "sBVUaZaqJsgPcDpowy00TZAO8HXBllromyAd4PQBll0ETZAO8HljLKlibKBng/sJVRtjVRNsD7gaOMsqOJsgHerzgLr2VX",
  "Js08I+RTrN/ucN8mkfWCZpOYwm4W2I8mWR2LNTtfxMJ6tfv2ikuatiuMCiuDFhZA3Q8yujgs4dGk4fbtwxafe3/uWW7lMl",
  "CdLDlJNxP7jqL0fh7fVtceFYtoVqcrhvbR8w+DdzkM+g0XGAV6zES1vc6g3xlkX/iFa4mQ6rWRrbhYnqgW2AlH1h8OupNh",
  "0PTgTpHavPuSpYYXU28yHE3ExdRU6JiJqcVx9LuDTq+1f8podRXFi+g+fJqvp6soFcta3scPT2m43l9PEaxTZog+dBVcsE",
  "6s00wwmChUK08EzmpWUN5NAD4KZ9/Dh6i7XK3D+fwD1kdNj30i64OmGhdanaDT9w8oG/uECvUH191gOOiLLQtyjHywZnHr",
  "h2MVvvhh8XI6zumn3g8ue90vu3ycSoW12+UlaME9WVX8dX/mcLuiezXyf6yj5SqftP/dBI75EchviZqedvek6dEPv84s8t",
  "Gd3tFTwFvVqdIv4tXjPHwdiDnaKzd/vDRZ+nN+g7fM71yzO9Zefuv2sNsyTZN0t75wcTGBcpvUHTY92/UMXrvpKp0WO1n1",
  "8IWELThTr33oL7/lnqsL2+X31eI1602T8q9HSyzDIVaaXu0vFmE1dDVH/3iyGg8QLm7DVv6j1spueSv+hBbxlRK26fn6P3",
  "HpjPyvE38wbn5LZdPzn0HxU/PVsY4/ibZ1vsu54/3RufK7g/Gk0+t1JmXj8hEX5+wX0rsVRtr8vTvR8WOSzC/iNJqJdVH2",
  "fe8ltjzx+l/WhKx1I15x3rne5Z3qS+6wt1tk4q/5N+u8K14U/8MUbvWY75+95viXUe7R40IX/raExaqOpnuGG3fwLvzLzr",
  "Q3mYovsmcR3atpcMApdSw5nVW+UUs4GvFbOS45tJpHBi/x8jG3x4XcXGlleI70XFCGbrPB/mJCH5xV11FJrnl2/wD6xoCx",
  "6IYAAA==",
];
