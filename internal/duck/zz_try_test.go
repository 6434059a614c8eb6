package duck
import ("testing";"fmt";"math/rand/v2";"strings")
func TestZZTry(t *testing.T){
 o,_ := OpenOracle(OracleOptions{Threads:2}); defer o.Close()
 if err := o.Exec(`create table t as select case when i % 7 = 0 then null when i%5=0 then 2147483647 else i end::int as a, case when i % 3 = 0 then null else i end::int b, case when i%11=0 then 'x'||i else i::varchar end s, case when i%4=0 then 0 else i::double end d, [a,b] as l, {'x':a,'y':s} as st, case when i%9=0 then 'bad' else '2024-01-01' end as ds, 'const' k, case when i%2=0 then '{"a":1}' else '{"a":"zz"}' end j from range(9000) r(i)`); err!=nil {t.Fatal(err)}
 r := rand.New(rand.NewPCG(1,2))
 var num, str func(d int) string
 num = func(d int) string { if d==0 { return []string{"a","b","1","2147483647"}[r.IntN(4)] }
  switch r.IntN(14){ case 0: return "("+num(d-1)+" + "+num(d-1)+")"; case 1: return "("+num(d-1)+" * "+num(d-1)+")::INT"; case 2: return "CAST("+str(d-1)+" AS INT)"; case 3: return "length("+str(d-1)+")::INT"; case 4: return "CAST(sqrt("+num(d-1)+") AS INT)"; case 5: return "(l["+num(d-1)+"])::INT"; case 6: return "abs("+num(d-1)+")::INT"; case 7: return "list_sum(l)::INT"; case 8: return "CAST(ln(d) AS INT)"; case 9: return "greatest("+num(d-1)+","+num(d-1)+")"; case 10: return "(CAST(ds AS DATE) - DATE '2020-01-01')::INT"; case 11: return "(j->>'$.a')::INT"; case 12: return "(NOT ("+num(d-1)+" > "+num(d-1)+"))::INT"; default: return "("+num(d-1)+" IS NULL)::INT" }}
 str = func(d int) string { if d==0 { return []string{"s","k","ds","'5'"}[r.IntN(4)] }
  switch r.IntN(7){ case 0: return num(d-1)+"::VARCHAR"; case 1: return "("+str(d-1)+" || "+str(d-1)+")"; case 2: return "substr("+str(d-1)+",1,3)"; case 3: return "st.y"; case 4: return "replace("+str(d-1)+",'1','')"; case 5: return "upper("+str(d-1)+")"; default: return "strftime(CAST("+str(d-1)+" AS DATE),'%Y')"}}
 ok,bad,failing := 0,0,0
 for i := 0; i<1500; i++ { e := num(1+r.IntN(4)); if i%5==0 { e = str(1+r.IntN(4)) }
  a, err := o.admin.strings("SELECT (count(TRY("+e+"))::VARCHAR || ' ' || coalesce(sum(hash(TRY("+e+")))::VARCHAR,'')) FROM t")
  if err != nil { bad++; if bad<5 {fmt.Println(e, err)}; continue}
  ok++
  if _, err := o.admin.strings("SELECT max(hash("+e+"))::varchar FROM t"); err != nil { failing++ }
  if i%50==0 { b, err := o.admin.strings("SELECT (count(x)::VARCHAR || ' ' || coalesce(sum(hash(x))::VARCHAR,'')) FROM (select unnest([a]) q, try("+e+") x from t)"); if err==nil && strings.Join(a,"")!=strings.Join(b,"") {fmt.Println("DIFF",e,a,b)} }
 }
 fmt.Println(ok,bad,failing)
}
