// Made by scripts/joining-letters.mjs from Unicode 17.0.0 (DerivedJoiningType.txt and
// DerivedCombiningClass.txt), by way of tr46 6.0.0.

/** Letters that join the one that follows, as ranges of a character class (Joining_Type L and D). */
export const JOIN_NEXT = String.raw`\u{0620}\u{0626}\u{0628}\u{062A}-\u{062E}\u{0633}-\u{063F}\u{0641}-\u{0647}\u{0649}\u{064A}\u{066E}\u{066F}\u{0678}-\u{0687}\u{069A}-\u{06BF}\u{06C1}\u{06C2}\u{06CC}\u{06CE}\u{06D0}\u{06D1}\u{06FA}-\u{06FC}\u{06FF}\u{0712}-\u{0714}\u{071A}-\u{071D}\u{071F}-\u{0727}\u{0729}\u{072B}\u{072D}\u{072E}\u{074E}-\u{0758}\u{075C}-\u{076A}\u{076D}-\u{0770}\u{0772}\u{0775}-\u{0777}\u{077A}-\u{077F}\u{07CA}-\u{07EA}\u{0841}-\u{0845}\u{0848}\u{084A}-\u{0853}\u{0855}\u{0860}\u{0862}-\u{0865}\u{0868}\u{0886}\u{0889}-\u{088D}\u{088F}\u{08A0}-\u{08A9}\u{08AF}\u{08B0}\u{08B3}-\u{08B8}\u{08BA}-\u{08C8}\u{1807}\u{1820}-\u{1878}\u{1887}-\u{18A8}\u{18AA}\u{A840}-\u{A872}\u{10AC0}-\u{10AC4}\u{10ACD}\u{10AD3}-\u{10ADC}\u{10ADE}-\u{10AE0}\u{10AEB}-\u{10AEE}\u{10B80}\u{10B82}\u{10B86}-\u{10B88}\u{10B8A}\u{10B8B}\u{10B8D}\u{10B90}\u{10BAD}\u{10BAE}\u{10D00}-\u{10D21}\u{10D23}\u{10EC3}\u{10EC4}\u{10EC6}\u{10EC7}\u{10F30}-\u{10F32}\u{10F34}-\u{10F44}\u{10F51}-\u{10F53}\u{10F70}-\u{10F73}\u{10F76}-\u{10F81}\u{10FB0}\u{10FB2}\u{10FB3}\u{10FB8}\u{10FBB}\u{10FBC}\u{10FBE}\u{10FBF}\u{10FC1}\u{10FC4}\u{10FCA}\u{10FCB}\u{1E900}-\u{1E943}`;

/** Letters that join the one before (Joining_Type R and D). */
export const JOIN_PREVIOUS = String.raw`\u{0620}\u{0622}-\u{063F}\u{0641}-\u{064A}\u{066E}\u{066F}\u{0671}-\u{0673}\u{0675}-\u{06D3}\u{06D5}\u{06EE}\u{06EF}\u{06FA}-\u{06FC}\u{06FF}\u{0710}\u{0712}-\u{072F}\u{074D}-\u{077F}\u{07CA}-\u{07EA}\u{0840}-\u{0858}\u{0860}\u{0862}-\u{0865}\u{0867}-\u{086A}\u{0870}-\u{0882}\u{0886}\u{0889}-\u{088F}\u{08A0}-\u{08AC}\u{08AE}-\u{08C8}\u{1807}\u{1820}-\u{1878}\u{1887}-\u{18A8}\u{18AA}\u{A840}-\u{A871}\u{10AC0}-\u{10AC5}\u{10AC7}\u{10AC9}\u{10ACA}\u{10ACE}-\u{10AD6}\u{10AD8}-\u{10AE1}\u{10AE4}\u{10AEB}-\u{10AEF}\u{10B80}-\u{10B91}\u{10BA9}-\u{10BAE}\u{10D01}-\u{10D23}\u{10EC2}-\u{10EC4}\u{10EC6}\u{10EC7}\u{10F30}-\u{10F44}\u{10F51}-\u{10F54}\u{10F70}-\u{10F81}\u{10FB0}\u{10FB2}-\u{10FB6}\u{10FB8}-\u{10FBF}\u{10FC1}-\u{10FC4}\u{10FC9}\u{10FCA}\u{1E900}-\u{1E943}`;

/** Marks that remove the vowel of a letter (Canonical_Combining_Class 9), by the block of their script. */
export const VIRAMAS: readonly (readonly [letters: string, marks: string])[] = [
  [String.raw`\u{900}-\u{97F}`, String.raw`\u{94D}`],
  [String.raw`\u{980}-\u{9FF}`, String.raw`\u{9CD}`],
  [String.raw`\u{A00}-\u{A7F}`, String.raw`\u{A4D}`],
  [String.raw`\u{A80}-\u{AFF}`, String.raw`\u{ACD}`],
  [String.raw`\u{B00}-\u{B7F}`, String.raw`\u{B4D}`],
  [String.raw`\u{B80}-\u{BFF}`, String.raw`\u{BCD}`],
  [String.raw`\u{C00}-\u{C7F}`, String.raw`\u{C4D}`],
  [String.raw`\u{C80}-\u{CFF}`, String.raw`\u{CCD}`],
  [String.raw`\u{D00}-\u{D7F}`, String.raw`\u{D3B}\u{D3C}\u{D4D}`],
  [String.raw`\u{D80}-\u{DFF}`, String.raw`\u{DCA}`],
  [String.raw`\u{E00}-\u{E7F}`, String.raw`\u{E3A}`],
  [String.raw`\u{E80}-\u{EFF}`, String.raw`\u{EBA}`],
  [String.raw`\u{F80}-\u{FFF}`, String.raw`\u{F84}`],
  [String.raw`\u{1000}-\u{107F}`, String.raw`\u{1039}\u{103A}`],
  [String.raw`\u{1700}-\u{177F}`, String.raw`\u{1714}\u{1715}\u{1734}`],
  [String.raw`\u{1780}-\u{17FF}`, String.raw`\u{17D2}`],
  [String.raw`\u{1A00}-\u{1A7F}`, String.raw`\u{1A60}`],
  [String.raw`\u{1B00}-\u{1B7F}`, String.raw`\u{1B44}`],
  [String.raw`\u{1B80}-\u{1BFF}`, String.raw`\u{1BAA}\u{1BAB}\u{1BF2}\u{1BF3}`],
  [String.raw`\u{2D00}-\u{2D7F}`, String.raw`\u{2D7F}`],
  [String.raw`\u{A800}-\u{A87F}`, String.raw`\u{A806}\u{A82C}`],
  [String.raw`\u{A880}-\u{A8FF}`, String.raw`\u{A8C4}`],
  [String.raw`\u{A900}-\u{A97F}`, String.raw`\u{A953}`],
  [String.raw`\u{A980}-\u{A9FF}`, String.raw`\u{A9C0}`],
  [String.raw`\u{AA80}-\u{AAFF}`, String.raw`\u{AAF6}`],
  [String.raw`\u{AB80}-\u{ABFF}`, String.raw`\u{ABED}`],
  [String.raw`\u{10A00}-\u{10A7F}`, String.raw`\u{10A3F}`],
  [String.raw`\u{11000}-\u{1107F}`, String.raw`\u{11046}\u{11070}\u{1107F}`],
  [String.raw`\u{11080}-\u{110FF}`, String.raw`\u{110B9}`],
  [String.raw`\u{11100}-\u{1117F}`, String.raw`\u{11133}\u{11134}`],
  [String.raw`\u{11180}-\u{111FF}`, String.raw`\u{111C0}`],
  [String.raw`\u{11200}-\u{1127F}`, String.raw`\u{11235}`],
  [String.raw`\u{11280}-\u{112FF}`, String.raw`\u{112EA}`],
  [String.raw`\u{11300}-\u{1137F}`, String.raw`\u{1134D}`],
  [String.raw`\u{11380}-\u{113FF}`, String.raw`\u{113CE}\u{113CF}\u{113D0}`],
  [String.raw`\u{11400}-\u{1147F}`, String.raw`\u{11442}`],
  [String.raw`\u{11480}-\u{114FF}`, String.raw`\u{114C2}`],
  [String.raw`\u{11580}-\u{115FF}`, String.raw`\u{115BF}`],
  [String.raw`\u{11600}-\u{1167F}`, String.raw`\u{1163F}`],
  [String.raw`\u{11680}-\u{116FF}`, String.raw`\u{116B6}`],
  [String.raw`\u{11700}-\u{1177F}`, String.raw`\u{1172B}`],
  [String.raw`\u{11800}-\u{1187F}`, String.raw`\u{11839}`],
  [String.raw`\u{11900}-\u{1197F}`, String.raw`\u{1193D}\u{1193E}`],
  [String.raw`\u{11980}-\u{119FF}`, String.raw`\u{119E0}`],
  [String.raw`\u{11A00}-\u{11A7F}`, String.raw`\u{11A34}\u{11A47}`],
  [String.raw`\u{11A80}-\u{11AFF}`, String.raw`\u{11A99}`],
  [String.raw`\u{11C00}-\u{11C7F}`, String.raw`\u{11C3F}`],
  [String.raw`\u{11D00}-\u{11D7F}`, String.raw`\u{11D44}\u{11D45}`],
  [String.raw`\u{11D80}-\u{11DFF}`, String.raw`\u{11D97}`],
  [String.raw`\u{11F00}-\u{11F7F}`, String.raw`\u{11F41}\u{11F42}`],
  [String.raw`\u{16100}-\u{1617F}`, String.raw`\u{1612F}`],
];
