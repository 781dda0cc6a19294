"""The world as tiles of one size: small states are as large as big ones, since each has documents of its own.

The places are drawn by hand after the geography: neighbours are near each other as far as a grid allows. Borders are
not meant by it; a tile stands for a code that issues documents (ICAO 9303-3 §5), and for no claim of anybody.
"""

from __future__ import annotations

import re
from typing import Final

COLUMNS: Final = 27
ROWS: Final = 17

_GRID: Final = """
CA1 GL5 IS9 NO13 SE14 FI15 EE16
US1 IE9 GB10 DK13 LT15 LV16 RU18
BM4 BE11 NL12 DE13 PL14 BY15 UA16
MX1 BS4 FR10 LU11 CH12 LI13 CZ14 SK15 MD16 KZ18 UZ19 KG20 MN21 KP23 JP25
GT1 BZ2 CU3 HT4 DO5 PT8 ES9 AD10 MC11 IT12 AT13 HU14 RO15 GE17 AZ18 TM19 TJ20 CN21 KR23
SV1 HN2 JM3 KN5 AG6 SM11 VA12 SI13 HR14 RS15 BG16 TR17 AM18 IR19 AF20 NP21 BT22 TW24
NI2 LC5 DM6 MT11 BA13 ME14 KS15 MK16 SY17 IQ18 KW19 PK20 IN21 BD22 MM23 HK24 MO25
CR2 PA3 VC5 BB6 AL14 GR15 CY16 LB17 JO18 BH19 MV20 LK21 TH22 LA23 VN24 PH25
GD5 TT6 MA9 DZ10 TN11 LY12 EG13 IL16 PS17 SA18 QA19 AE20 KH23
CO1 VE2 GY3 SR4 CV6 SN8 MR9 ML10 NE11 TD12 SD13 ER14 DJ15 YE18 OM19 MY22 BN23 PW25 FM26 MH27
EC1 PE2 BR3 GM7 GW8 GN9 BF10 NG11 CF12 SS13 ET14 SO15 SG22 ID23 TL24 PG25 NR26 KI27
BO2 PY3 SL6 LR7 CI8 GH9 TG10 BJ11 CM12 UG13 KE14 AU24 SB25 TV26 WS27
CL1 AR2 UY3 ST9 GQ10 GA11 CG12 RW13 TZ14 SC16 VU25 FJ26 TO27
CD12 BI13 MW14 KM15 NZ26
AO11 ZM12 ZW13 MZ14 MG16
NA11 BW12 SZ13 MU17
ZA12 LS13
"""

PLACES: Final[dict[str, tuple[int, int]]] = {
    code: (row, int(column))
    for row, line in enumerate(_GRID.strip().splitlines())
    for code, column in re.findall(r"([A-Z]{2})(\d+)", line)
}
"""Code to row and column."""

_NAMES: Final = """
AD Andorra|AE United Arab Emirates|AF Afghanistan|AG Antigua and Barbuda|AL Albania|AM Armenia|AO Angola
AR Argentina|AT Austria|AU Australia|AZ Azerbaijan|BA Bosnia and Herzegovina|BB Barbados|BD Bangladesh|BE Belgium
BF Burkina Faso|BG Bulgaria|BH Bahrain|BI Burundi|BJ Benin|BM Bermuda|BN Brunei|BO Bolivia|BR Brazil|BS Bahamas
BT Bhutan|BW Botswana|BY Belarus|BZ Belize|CA Canada|CD Congo (Democratic Republic)|CF Central African Republic
CG Congo|CH Switzerland|CI Côte d’Ivoire|CL Chile|CM Cameroon|CN China|CO Colombia|CR Costa Rica|CU Cuba
CV Cabo Verde|CY Cyprus|CZ Czechia|DE Germany|DJ Djibouti|DK Denmark|DM Dominica|DO Dominican Republic|DZ Algeria
EC Ecuador|EE Estonia|EG Egypt|ER Eritrea|ES Spain|ET Ethiopia|EU European Union|FI Finland|FJ Fiji|FM Micronesia
FR France|GA Gabon|GB United Kingdom|GD Grenada|GE Georgia|GH Ghana|GL Greenland|GM Gambia|GN Guinea
GQ Equatorial Guinea|GR Greece|GT Guatemala|GW Guinea-Bissau|GY Guyana|HK Hong Kong|HN Honduras|HR Croatia|HT Haiti
HU Hungary|ID Indonesia|IE Ireland|IL Israel|IN India|IQ Iraq|IR Iran|IS Iceland|IT Italy|JM Jamaica|JO Jordan
JP Japan|KE Kenya|KG Kyrgyzstan|KH Cambodia|KI Kiribati|KM Comoros|KN Saint Kitts and Nevis|KP Korea (DPR)
KR Korea (Republic)|KS Kosovo|KW Kuwait|KZ Kazakhstan|LA Laos|LB Lebanon|LC Saint Lucia|LI Liechtenstein|LK Sri Lanka
LR Liberia|LS Lesotho|LT Lithuania|LU Luxembourg|LV Latvia|LY Libya|MA Morocco|MC Monaco|MD Moldova|ME Montenegro
MG Madagascar|MH Marshall Islands|MK North Macedonia|ML Mali|MM Myanmar|MN Mongolia|MO Macao|MR Mauritania|MT Malta
MU Mauritius|MV Maldives|MW Malawi|MX Mexico|MY Malaysia|MZ Mozambique|NA Namibia|NE Niger|NG Nigeria|NI Nicaragua
NL Netherlands|NO Norway|NP Nepal|NR Nauru|NZ New Zealand|OM Oman|PA Panama|PE Peru|PG Papua New Guinea
PH Philippines|PK Pakistan|PL Poland|PS Palestine|PT Portugal|PW Palau|PY Paraguay|QA Qatar|RO Romania|RS Serbia
RU Russia|RW Rwanda|SA Saudi Arabia|SB Solomon Islands|SC Seychelles|SD Sudan|SE Sweden|SG Singapore|SI Slovenia
SK Slovakia|SL Sierra Leone|SM San Marino|SN Senegal|SO Somalia|SR Suriname|SS South Sudan|ST São Tomé and Príncipe
SV El Salvador|SY Syria|SZ Eswatini|TD Chad|TG Togo|TH Thailand|TJ Tajikistan|TL Timor-Leste|TM Turkmenistan
TN Tunisia|TO Tonga|TR Türkiye|TT Trinidad and Tobago|TV Tuvalu|TW Taiwan|TZ Tanzania|UA Ukraine|UG Uganda
UN United Nations|US United States|UY Uruguay|UZ Uzbekistan|VA Holy See|VC Saint Vincent and the Grenadines
VE Venezuela|VN Viet Nam|VU Vanuatu|WS Samoa|XO Order of Malta|YE Yemen|ZA South Africa|ZM Zambia|ZW Zimbabwe
"""

NAMES: Final[dict[str, str]] = {entry[:2]: entry[3:] for entry in re.split(r"[|\n]", _NAMES.strip())}
"""Short English names."""

ALIASES: Final = {"XK": "KS", "RK": "KS", "UK": "GB", "EL": "GR", "XM": "XO"}
"""Other codes that certificates carry for the same place (:mod:`idverify.chip.pki.countries`)."""
