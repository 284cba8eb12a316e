package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// printDefaulters writes down the call trees of Kubernetes' generated defaulting functions, of the packages that an
// index of schemas names: package -> type -> {"run": [...], "values": {...}, "into": {...}}. "run": the hand-written
// functions that are applied to a value of the type. "values": the fields that have a plain default. "into": the fields
// whose values are gone into. Fields have the names that JSON gives them.
//
// It reads the source of the generated functions in the modules, each given as PATH=FOLDER.
func printDefaulters(index string, modules []string) error {
	folders, err := folders(index, modules)
	if err != nil {
		return err
	}
	types := map[string]reflect.Type{}
	for _, scheme := range schemes() {
		for _, each := range scheme.AllKnownTypes() {
			types[each.PkgPath()+"."+each.Name()] = each
		}
	}
	tables := map[string]map[string]described{}
	for path, folder := range folders {
		w := read(path, folder)
		for name, function := range w.functions {
			if strings.HasSuffix(name, "List") {
				continue
			}
			parameter := function.Type.Params.List[0]
			of := types[w.typeName(parameter.Type.(*ast.StarExpr).X)]
			if of == nil {
				return fmt.Errorf("%s: the type of %s is in no scheme", folder, name)
			}
			root := newNode(of)
			w.block(function.Body.List, map[string]place{parameter.Names[0].Name: {node: root, typed: of}})
			add(tables, root)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(tables)
}

// folders are the packages with generated defaulting functions, import path -> folder.
func folders(index string, modules []string) (map[string]string, error) {
	text, err := os.ReadFile(index)
	if err != nil {
		return nil, err
	}
	var read struct {
		Kinds map[string]map[string]string `json:"kinds"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return nil, err
	}
	paths := map[string]bool{}
	for _, kinds := range read.Kinds {
		for _, name := range kinds {
			within := strings.TrimPrefix(name[:strings.LastIndex(name, ".")], "io.k8s.")
			path := "k8s.io/" + strings.ReplaceAll(within, ".", "/")
			paths[strings.Replace(path, "k8s.io/api/", "k8s.io/kubernetes/pkg/apis/", 1)] = true
		}
	}
	found := map[string]string{}
	for path := range paths {
		for _, module := range modules {
			name, folder, _ := strings.Cut(module, "=")
			within, ok := strings.CutPrefix(path, name+"/")
			if !ok {
				continue
			}
			folder = filepath.Join(folder, filepath.FromSlash(within))
			if _, err := os.Stat(filepath.Join(folder, "zz_generated.defaults.go")); err == nil {
				found[path] = folder
			}
		}
	}
	return found, nil
}

// node is what is done to a value of one Go type.
type node struct {
	of     reflect.Type
	run    []string
	values map[string]any
	into   map[string]*edge
}

// edge leads from a field to the values in it: "struct" (never nil), "pointer", "list" or "map".
type edge struct {
	how string
	to  *node
}

type described struct {
	Run    []string          `json:"run,omitempty"`
	Values map[string]any    `json:"values,omitempty"`
	Into   map[string]string `json:"into,omitempty"`
}

// constants are those that generated code names. They cannot be asked for by name.
var constants = map[string]any{
	"AzureDataDiskCachingReadWrite": string(corev1.AzureDataDiskCachingReadWrite),
	"AzureSharedBlobDisk":           string(corev1.AzureSharedBlobDisk),
}

func newNode(of reflect.Type) *node {
	return &node{of: of, values: map[string]any{}, into: map[string]*edge{}}
}

// place is where an expression of the generated code points to: a node, or a field of one that is yet to be entered.
type place struct {
	node  *node
	field string
	typed reflect.Type
}

type walker struct {
	path      string
	imports   map[string]string
	functions map[string]*ast.FuncDecl
	set       *token.FileSet
}

func read(path, folder string) *walker {
	w := &walker{path: path, imports: map[string]string{}, functions: map[string]*ast.FuncDecl{}, set: token.NewFileSet()}
	name := filepath.Join(folder, "zz_generated.defaults.go")
	file, err := parser.ParseFile(w.set, name, nil, 0)
	if err != nil {
		fail("%s: %v", name, err)
	}
	for _, each := range file.Imports {
		path, _ := strconv.Unquote(each.Path.Value)
		alias := path[strings.LastIndex(path, "/")+1:]
		if each.Name != nil {
			alias = each.Name.Name
		}
		w.imports[alias] = path
	}
	for _, each := range file.Decls {
		if function, ok := each.(*ast.FuncDecl); ok && strings.HasPrefix(function.Name.Name, "SetObjectDefaults_") {
			w.functions[function.Name.Name] = function
		}
	}
	return w
}

// groupOf is the name under which the functions of a package are known: `core.v1` of …/pkg/apis/core/v1.
func groupOf(path string) string {
	parts := strings.Split(path, "/")
	return parts[len(parts)-2] + "." + parts[len(parts)-1]
}

// typeName is the import path and name of a type that the generated code names. A type without a package is the
// package's own, as in apiextensions and apiregistration.
func (w *walker) typeName(expression ast.Expr) string {
	if selector, ok := expression.(*ast.SelectorExpr); ok {
		return w.imports[selector.X.(*ast.Ident).Name] + "." + selector.Sel.Name
	}
	return w.path + "." + expression.(*ast.Ident).Name
}

func (w *walker) block(statements []ast.Stmt, known map[string]place) {
	locals := map[string]any{}
	for _, statement := range statements {
		switch each := statement.(type) {
		case *ast.ExprStmt:
			w.call(each.X.(*ast.CallExpr), known)
		case *ast.IfStmt:
			w.condition(each, known)
		case *ast.RangeStmt:
			inner := map[string]place{}
			for name, found := range known {
				inner[name] = found
			}
			w.block(each.Body.List, inner)
		case *ast.AssignStmt:
			name, isName := each.Lhs[0].(*ast.Ident)
			switch {
			case isName && each.Tok == token.DEFINE && isAddress(each.Rhs[0]):
				known[name.Name] = w.entered(w.resolve(each.Rhs[0], known))
			case isName && each.Tok == token.DEFINE:
				locals[name.Name] = w.literal(each.Rhs[0], locals)
			default:
				at := w.resolve(each.Lhs[0], known)
				if at.field == "" {
					w.fail(each, "an assignment to something that is no field")
				}
				at.node.values[at.field] = w.literal(each.Rhs[0], locals)
			}
		case *ast.DeclStmt:
			for _, declared := range each.Decl.(*ast.GenDecl).Specs {
				value := declared.(*ast.ValueSpec)
				locals[value.Names[0].Name] = w.literal(value.Values[0], locals)
			}
		default:
			w.fail(statement, "a statement of a kind that this program does not know")
		}
	}
}

// condition walks into `if x != nil`, and notes the default of `if x == nil`, `if x == ""` and `if x == 0`.
func (w *walker) condition(statement *ast.IfStmt, known map[string]place) {
	if decoded := decoding(statement); decoded != nil {
		text := decoded.Args[0].(*ast.CallExpr).Args[0].(*ast.BasicLit)
		at := w.resolve(decoded.Args[1], known)
		var value any
		if err := json.Unmarshal([]byte(basic(text).(string)), &value); err != nil || at.field == "" {
			w.fail(statement, "a default that cannot be read")
		}
		at.node.values[at.field] = value
		return
	}
	compared, ok := statement.Cond.(*ast.BinaryExpr)
	if !ok || statement.Else != nil || statement.Init != nil || (compared.Op != token.EQL && compared.Op != token.NEQ) {
		w.fail(statement, "a condition of a form that this program does not know")
	}
	w.block(statement.Body.List, known)
}

// decoding is the call in `if err := json.Unmarshal([]byte("…"), &x); err != nil`, or nil.
func decoding(statement *ast.IfStmt) *ast.CallExpr {
	assigned, ok := statement.Init.(*ast.AssignStmt)
	if !ok {
		return nil
	}
	call, ok := assigned.Rhs[0].(*ast.CallExpr)
	if !ok {
		return nil
	}
	if function, ok := call.Fun.(*ast.SelectorExpr); !ok || function.Sel.Name != "Unmarshal" {
		return nil
	}
	return call
}

func (w *walker) call(expression *ast.CallExpr, known map[string]place) {
	if len(expression.Args) != 1 {
		w.fail(expression, "a call of another form")
	}
	at := w.entered(w.resolve(expression.Args[0], known))
	switch function := expression.Fun.(type) {
	case *ast.Ident:
		if inner, ok := w.functions[function.Name]; ok {
			w.block(inner.Body.List, map[string]place{inner.Type.Params.List[0].Names[0].Name: at})
			return
		}
		at.node.run = append(at.node.run, groupOf(w.path)+"."+short(function.Name))
	case *ast.SelectorExpr:
		at.node.run = append(at.node.run, groupOf(w.imports[function.X.(*ast.Ident).Name])+"."+short(function.Sel.Name))
	default:
		w.fail(expression, "a call of another form")
	}
}

func short(name string) string {
	if !strings.HasPrefix(name, "SetDefaults_") {
		fail("%s: a function that does not set defaults", name)
	}
	return strings.TrimPrefix(name, "SetDefaults_")
}

func isAddress(expression ast.Expr) bool {
	unary, ok := expression.(*ast.UnaryExpr)
	return ok && unary.Op == token.AND
}

// resolve finds the place of `a`, `&a.B`, `a.B.C` and `a.B[i]`.
func (w *walker) resolve(expression ast.Expr, known map[string]place) place {
	switch each := expression.(type) {
	case *ast.Ident:
		if found, ok := known[each.Name]; ok {
			return found
		}
	case *ast.UnaryExpr:
		return w.resolve(each.X, known)
	case *ast.ParenExpr:
		return w.resolve(each.X, known)
	case *ast.IndexExpr:
		return w.entered(w.resolve(each.X, known)) // an element; entering a list or map enters its elements
	case *ast.SelectorExpr:
		above := w.entered(w.resolve(each.X, known))
		field, ok := above.typed.FieldByName(each.Sel.Name)
		if !ok {
			w.fail(expression, "no field "+each.Sel.Name)
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" && (strings.Contains(options, "inline") || field.Anonymous) {
			return place{node: above.node, typed: field.Type}
		}
		if name == "" {
			w.fail(expression, "a field without a name in JSON")
		}
		return place{node: above.node, field: name, typed: field.Type}
	}
	w.fail(expression, "an expression of a kind that this program does not know")
	return place{}
}

// entered is the place of the value, or of the elements, that a field holds.
func (w *walker) entered(at place) place {
	if at.field == "" {
		return at
	}
	how, of := "struct", at.typed
	switch of.Kind() {
	case reflect.Pointer:
		how, of = "pointer", of.Elem()
	case reflect.Slice:
		how, of = "list", of.Elem()
	case reflect.Map:
		if of.Elem().Kind() == reflect.Struct && of.Name() == "" {
			how, of = "map", of.Elem()
		} else {
			how = "pointer" // a named map, such as ResourceList: the functions are given the map itself
		}
	}
	found, ok := at.node.into[at.field]
	if !ok {
		found = &edge{how: how, to: newNode(of)}
		at.node.into[at.field] = found
	}
	return place{node: found.to, typed: of}
}

// literal is the value of a constant expression: a literal, a conversion of one, the address of a local, a constant.
func (w *walker) literal(expression ast.Expr, locals map[string]any) any {
	switch each := expression.(type) {
	case *ast.BasicLit:
		return basic(each)
	case *ast.UnaryExpr:
		return w.literal(each.X, locals)
	case *ast.CallExpr:
		return w.literal(each.Args[0], locals)
	case *ast.Ident:
		if value, ok := locals[each.Name]; ok {
			return value
		}
		if each.Name == "true" || each.Name == "false" {
			return each.Name == "true"
		}
	case *ast.SelectorExpr:
		if value, ok := constants[each.Sel.Name]; ok {
			return value
		}
	}
	w.fail(expression, "a value of a kind that this program does not know")
	return nil
}

func basic(literal *ast.BasicLit) any {
	if literal.Kind == token.INT {
		number, _ := strconv.ParseInt(literal.Value, 0, 64)
		return number
	}
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		fail("%s: %v", literal.Value, err)
	}
	return text
}

// add puts a node and those below it into the tables. What is done to a value depends on nothing but its type; a
// difference between two places of one type would be an error here.
func add(tables map[string]map[string]described, of *node) {
	into := map[string]string{}
	for field, each := range of.into {
		into[field] = each.how + " " + packageOf(each.to.of) + "." + each.to.of.Name()
		add(tables, each.to)
	}
	made := described{Run: of.run, Values: of.values, Into: into}
	named := tables[packageOf(of.of)]
	if named == nil {
		named = map[string]described{}
		tables[packageOf(of.of)] = named
	}
	before, ok := named[of.of.Name()]
	if ok && !reflect.DeepEqual(before, made) {
		fail("%s has two trees:\n%v\n%v", of.of, before, made)
	}
	named[of.of.Name()] = made
}

// packageOf is the name of a package as OpenAPI documents write it: io.k8s.api.core.v1.
func packageOf(of reflect.Type) string {
	host, rest, _ := strings.Cut(of.PkgPath(), "/")
	parts := strings.Split(host, ".")
	slices.Reverse(parts)
	return strings.Join(parts, ".") + "." + strings.ReplaceAll(rest, "/", ".")
}

func (w *walker) fail(at ast.Node, text string) {
	fail("%s: %s", w.set.Position(at.Pos()), text)
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
