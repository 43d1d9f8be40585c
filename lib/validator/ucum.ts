/** The grammar of UCUM codes, case sensitive (https://ucum.org/ucum, chapter 2): is a code a unit at all. */

/** Atoms that take a prefix. */
const METRIC: ReadonlySet<string> = new Set(
  (
    "m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u pc [c] [h] " +
    "[k] [eps_0] [mu_0] [e] eV [m_e] [m_p] [G] [g] [ly] gf Ky Gal dyn erg P Bi St Mx G Oe Gb sb Lmb ph Ci " +
    "R RAD REM cal_[15] cal_[20] cal_m cal_IT cal_th cal tex m[H2O] m[Hg] eq osm g% kat U [iU] [IU] Np B " +
    "B[SPL] B[V] B[mV] B[uV] B[10.nV] B[W] B[kW] st mho bit By Bd"
  ).split(" "),
);

/** Atoms that take none. */
const PLAIN: ReadonlySet<string> = new Set(
  (
    "10* 10^ [pi] % [ppth] [ppm] [ppb] [pptr] deg gon ' '' min h d a_t a_j a_g a wk mo_s mo_j mo_g mo AU " +
    "Torr atm [in_i] [ft_i] [yd_i] [mi_i] [fth_i] [nmi_i] [kn_i] [sin_i] [sft_i] [syd_i] [cin_i] [cft_i] " +
    "[cyd_i] [bf_i] [cr_i] [mil_i] [cml_i] [hd_i] [ft_us] [yd_us] [in_us] [rd_us] [ch_us] [lk_us] " +
    "[rch_us] [rlk_us] [fth_us] [fur_us] [mi_us] [acr_us] [srd_us] [smi_us] [sct] [twp] [mil_us] [in_br] " +
    "[ft_br] [rd_br] [ch_br] [lk_br] [fth_br] [pc_br] [yd_br] [mi_br] [nmi_br] [kn_br] [acr_br] [gal_us] " +
    "[bbl_us] [qt_us] [pt_us] [gil_us] [foz_us] [fdr_us] [min_us] [crd_us] [bu_us] [gal_wi] [pk_us] " +
    "[dqt_us] [dpt_us] [tbs_us] [tsp_us] [cup_us] [foz_m] [cup_m] [tsp_m] [tbs_m] [gal_br] [pk_br] " +
    "[bu_br] [qt_br] [pt_br] [gil_br] [foz_br] [fdr_br] [min_br] [gr] [lb_av] [lbf_av] [oz_av] [dr_av] " +
    "[scwt_av] [lcwt_av] [ston_av] [lton_av] [stone_av] [pwt_tr] [oz_tr] [lb_tr] [sc_ap] [dr_ap] [oz_ap] " +
    "[lb_ap] [oz_m] [lne] [pnt] [pca] [pnt_pr] [pca_pr] [pied] [pouce] [ligne] [didot] [cicero] [degF] " +
    "[degR] [degRe] [Cal] [Btu_39] [Btu_59] [Btu_60] [Btu_m] [Btu_IT] [Btu_th] [Btu] [HP] [den] " +
    "[in_i'H2O] [in_i'Hg] [PRU] [wood'U] [diop] [p'diop] %[slope] [mesh_i] [Ch] [drp] [hnsf'U] [MET] " +
    "[hp'_X] [hp'_C] [hp'_M] [hp'_Q] [hp_X] [hp_C] [hp_M] [hp_Q] [kp_X] [kp_C] [kp_M] [kp_Q] [pH] [S] " +
    "[HPF] [LPF] [arb'U] [USP'U] [GPL'U] [MPL'U] [APL'U] [beth'U] [anti'Xa'U] [todd'U] [dye'U] [smgy'U] " +
    "[bdsk'U] [ka'U] [knk'U] [mclg'U] [tb'U] [CCID_50] [TCID_50] [EID_50] [PFU] [FFU] [CFU] [IR] [BAU] " +
    "[AU] [Amb'a'1'U] [PNU] [Lf] [D'ag'U] [FEU] [ELU] [EU] Ao b att [psi] circ sph [car_m] [car_Au] " +
    "[smoot] [m/s2/Hz^(1/2)] bit_s [NTU] [FNU]"
  ).split(" "),
);

const PREFIXES: readonly string[] = "da Ki Mi Gi Ti Y Z E P T G M k h d c m u n p f a z y".split(" ");

/** More nested parentheses than any unit has. */
const DEEPEST = 20;

/** Whether a text is a UCUM code: units multiplied and divided, with exponents and annotations. */
export function isUcum(code: string): boolean {
  if (code.length === 0 || code.length > 500) return false;
  const end = term(code, code.charCodeAt(0) === SLASH ? 1 : 0, 0);
  return end === code.length;
}

const SLASH = 47;
const DOT = 46;
const OPEN = 40;
const CLOSE = 41;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;

/** Each of these answers where what it reads ends, or -1. */
function term(code: string, from: number, depth: number): number {
  let at = component(code, from, depth);
  while (at >= 0) {
    const unit = code.charCodeAt(at);
    if (unit !== SLASH && unit !== DOT) return at;
    at = component(code, at + 1, depth);
  }
  return at;
}

function component(code: string, from: number, depth: number): number {
  const first = code.charCodeAt(from);
  if (first === OPEN) {
    if (depth >= DEEPEST) return -1;
    const inner = code.charCodeAt(from + 1) === SLASH ? from + 2 : from + 1;
    const end = term(code, inner, depth + 1);
    return end >= 0 && code.charCodeAt(end) === CLOSE ? annotation(code, end + 1) : -1;
  }
  if (first === OPEN_BRACE) return annotation(code, from);
  let end = from;
  while (end < code.length && !endsSymbol(code.charCodeAt(end))) {
    if (code.charCodeAt(end) === OPEN_BRACKET) {
      const bracket = code.indexOf("]", end);
      if (bracket < 0) return -1;
      end = bracket;
    }
    end++;
  }
  return isAnnotatable(code.slice(from, end)) ? annotation(code, end) : -1;
}

function endsSymbol(unit: number): boolean {
  return unit === SLASH || unit === DOT || unit === OPEN || unit === CLOSE || unit === OPEN_BRACE;
}

function annotation(code: string, from: number): number {
  if (code.charCodeAt(from) !== OPEN_BRACE) return from;
  for (let at = from + 1; at < code.length; at++) {
    const unit = code.charCodeAt(at);
    if (unit === CLOSE_BRACE) return at + 1;
    if (unit === OPEN_BRACE || unit < 32 || unit > 126) return -1;
  }
  return -1;
}

/** A number, or a unit with an exponent. */
function isAnnotatable(symbol: string): boolean {
  if (/^[0-9]+$/.test(symbol)) return true;
  if (isUnit(symbol)) return true;
  const exponent = /[+-]?[0-9]+$/.exec(symbol);
  if (exponent === null || symbol.charCodeAt(symbol.length - 1) === CLOSE_BRACKET) return false;
  return isUnit(symbol.slice(0, exponent.index));
}

function isUnit(symbol: string): boolean {
  if (METRIC.has(symbol) || PLAIN.has(symbol)) return true;
  for (const prefix of PREFIXES) {
    if (symbol.startsWith(prefix) && METRIC.has(symbol.slice(prefix.length))) return true;
  }
  return false;
}
