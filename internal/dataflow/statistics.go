package dataflow

import (
	"math"
	"math/big"
)

// Terms of the sums, by position.
var (
	oneColumn  = []momentTerm{{1, 0}, {2, 0}}
	thirdPower = []momentTerm{{1, 0}, {2, 0}, {3, 0}}
	fourPowers = []momentTerm{{1, 0}, {2, 0}, {3, 0}, {4, 0}}
	covariance = []momentTerm{{1, 0}, {0, 1}, {1, 1}}
	twoColumns = []momentTerm{{1, 0}, {0, 1}, {1, 1}, {2, 0}, {0, 2}}
)

// statistic returns the state of a statistical aggregate, or nil if there is none of that name. In the functions of two arguments DuckDB calls the first y
// and the second x; so do the comments here.
func statistic(name string) accumulator {
	switch name {
	case "var_samp", "var_pop", "stddev_samp", "stddev_pop", "sem":
		return newMomentsAcc(name, []int{0}, oneColumn)
	case "skewness":
		return newMomentsAcc(name, []int{0}, thirdPower)
	case "kurtosis", "kurtosis_pop":
		return newMomentsAcc(name, []int{0}, fourPowers)
	case "covar_samp", "covar_pop", "regr_sxy":
		return newMomentsAcc(name, []int{0, 1}, covariance)
	case "corr", "regr_slope", "regr_intercept", "regr_r2":
		return newMomentsAcc(name, []int{1, 0}, twoColumns)
	case "regr_sxx":
		return newMomentsAcc(name, []int{1}, oneColumn)
	case "regr_syy":
		return newMomentsAcc(name, []int{0}, oneColumn)
	case "regr_avgx":
		return &argumentAcc{accumulator: &floatSumAcc{avg: true}, arg: 1}
	case "regr_avgy":
		return &argumentAcc{accumulator: &floatSumAcc{avg: true}, arg: 0}
	}
	return nil
}

// value is the aggregate of a group, null, or the name of what cannot be represented.
func (a *momentsAcc) value(g uint32, c momentCount) (f float64, null bool, failed string) {
	if c.n == 0 {
		return 0, true, ""
	}
	n := float64(c.n)
	switch a.name {
	case "var_samp":
		return a.spread(g, c, n-1, c.n < 2, "VARSAMP")
	case "stddev_samp":
		return root(a.spread(g, c, n-1, c.n < 2, "STDDEV_SAMP"))
	case "var_pop":
		return a.spread(g, c, n, false, "VARPOP")
	case "stddev_pop":
		return root(a.spread(g, c, n, false, "STDDEV_POP"))
	case "sem":
		if c.strangeX != 0 {
			return 0, false, "SEM"
		}
		f, null, failed = root(a.spread(g, c, n, false, "SEM"))
		return f / math.Sqrt(n), null, failed
	case "regr_sxx", "regr_syy":
		return a.spread(g, c, 1, false, "VARPOP")
	case "skewness", "kurtosis", "kurtosis_pop":
		return a.shape(g, c)
	}
	return a.paired(g, c)
}

func root(f float64, null bool, failed string) (float64, bool, string) {
	return math.Sqrt(f), null, failed
}

// spread is Σ(x-x̄)² ÷ by.
func (a *momentsAcc) spread(g uint32, c momentCount, by float64, null bool, name string) (float64, bool, string) {
	if null || c.n == 1 {
		return 0, null, ""
	}
	if c.strangeX != 0 {
		return 0, false, name
	}
	f := a.central(g, c.n, 1, 0, 0)
	if math.IsInf(f, 0) {
		return 0, false, name
	}
	return math.Max(f, 0) / by, false, ""
}

// paired is the aggregates of two columns; x and y are term 0 and 1. The covariance with what is not finite is NaN, where DuckDB's is NaN or infinite
// by the order of the rows.
func (a *momentsAcc) paired(g uint32, c momentCount) (f float64, null bool, failed string) {
	n := float64(c.n)
	co := math.NaN()
	if c.strangeX == 0 && c.strangeY == 0 {
		co = a.central(g, c.n, 2, 0, 1)
	}
	switch a.name {
	case "covar_samp":
		return co / (n - 1), c.n < 2, ""
	case "covar_pop":
		return co / n, false, ""
	case "regr_sxy":
		return co, false, ""
	case "corr":
		return a.correlation(g, c, co)
	case "regr_r2":
		return a.determination(g, c, co)
	}
	varX, failed := a.second(g, c.n, c.strangeX, 3, 0)
	if failed != "" {
		return 0, false, failed
	}
	slope := co / varX
	if a.name == "regr_slope" {
		return slope, false, ""
	}
	if slope != slope {
		return 0, true, ""
	}
	return a.mean(g, c.n, 1) - slope*a.mean(g, c.n, 0), false, ""
}

// second is Σ(u-ū)², 0 for a single value whatever it is.
func (a *momentsAcc) second(g uint32, n, strange int64, uu, u int) (float64, string) {
	if n == 1 {
		return 0, ""
	}
	if strange != 0 {
		return 0, "VARPOP"
	}
	f := a.central(g, n, uu, u, u)
	if math.IsInf(f, 0) {
		return 0, "VARPOP"
	}
	return math.Max(f, 0), ""
}

func (a *momentsAcc) correlation(g uint32, c momentCount, co float64) (float64, bool, string) {
	xx, failed := a.second(g, c.n, c.strangeX, 3, 0)
	yy, failedY := a.second(g, c.n, c.strangeY, 4, 1)
	if failed != "" || failedY != "" {
		return 0, false, "STDDEV_POP"
	}
	if xx == 0 || yy == 0 {
		return math.NaN(), false, ""
	}
	return co / math.Sqrt(xx) / math.Sqrt(yy), false, ""
}

func (a *momentsAcc) determination(g uint32, c momentCount, co float64) (float64, bool, string) {
	xx, failed := a.second(g, c.n, c.strangeX, 3, 0)
	if failed != "" || xx == 0 {
		return 0, true, failed
	}
	yy, failed := a.second(g, c.n, c.strangeY, 4, 1)
	if failed != "" || yy == 0 {
		return 1, false, failed
	}
	r := co / math.Sqrt(xx) / math.Sqrt(yy)
	return r * r, false, ""
}

// shape is skewness and kurtosis, from the central moments.
func (a *momentsAcc) shape(g uint32, c momentCount) (f float64, null bool, failed string) {
	name, n := "SKEW", float64(c.n)
	if a.name != "skewness" {
		name = "Kurtosis"
	}
	switch {
	case a.name == "skewness" && c.n < 3, a.name == "kurtosis" && c.n < 4, a.name == "kurtosis_pop" && c.n < 2:
		return 0, true, ""
	case c.strangeX != 0:
		return 0, false, name
	}
	m2 := a.central(g, c.n, 1, 0, 0) / n
	top := a.higherMoment(g, c.n)
	switch {
	case math.IsInf(m2, 0) || math.IsInf(top, 0):
		return 0, false, name
	case a.name == "skewness":
		f = math.Sqrt(n*(n-1)) / (n - 2) * top / math.Sqrt(math.Pow(m2, 3))
		if m2 == 0 {
			return math.NaN(), false, ""
		}
	case m2 <= 0:
		return 0, true, ""
	case a.name == "kurtosis_pop":
		f = top/(m2*m2) - 3
	default:
		f = (n - 1) * ((n+1)*top/(m2*m2) - 3*(n-1)) / ((n - 2) * (n - 3))
	}
	if f-f != 0 {
		return 0, false, name
	}
	return f, false, ""
}

// higherMoment is the third central moment for skewness and the fourth for kurtosis.
func (a *momentsAcc) higherMoment(g uint32, count int64) float64 {
	n := new(big.Float).SetPrec(wideBits).SetInt64(count)
	s1, s2, s3 := a.bigSum(g, 0), a.bigSum(g, 1), a.bigSum(g, 2)
	// Horner in n of the moment times n³ or n⁴.
	var out *big.Float
	by := times(n, n, n)
	if a.name == "skewness" { // 2s₁³ - 3n·s₁s₂ + n²·s₃
		out = sum(times(n, sum(times(n, s3), times(bigFloat(-3), s1, s2))), times(bigFloat(2), s1, s1, s1))
	} else { // -3s₁⁴ + n(6s₁²s₂ + n(-4s₁s₃ + n·s₄))
		inner := sum(times(n, a.bigSum(g, 3)), times(bigFloat(-4), s1, s3))
		inner = sum(times(n, inner), times(bigFloat(6), s1, s1, s2))
		out = sum(times(n, inner), times(bigFloat(-3), s1, s1, s1, s1))
		by = times(by, n)
	}
	f, _ := new(big.Float).SetPrec(64).Quo(out, by).Float64()
	return f
}

func times(xs ...*big.Float) *big.Float {
	out := bigFloat(1)
	for _, x := range xs {
		out.Mul(out, x)
	}
	return out
}

func sum(x, y *big.Float) *big.Float { return new(big.Float).SetPrec(wideBits).Add(x, y) }
